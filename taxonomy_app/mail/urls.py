"""The routes of e-mail."""

from django.urls import path

from taxonomy_app.mail import views

app_name = "mail"
urlpatterns = [
    path("", views.home, name="home"),
    path("retry/", views.retry, name="retry"),
    path("choices/", views.choices, name="choices"),
    path("unsubscribe/<str:token>/", views.unsubscribe, name="unsubscribe"),
]
