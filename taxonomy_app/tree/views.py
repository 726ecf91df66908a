"""The pages of the taxonomy."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def home(request: HttpRequest) -> HttpResponse:
    return render(request, "web/home.html")


folder = leaf = history = download = at_path = home
