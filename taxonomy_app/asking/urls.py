"""Addresses of asking the model and trying the teacher."""

from django.urls import path

from taxonomy_app.asking import views

app_name = "asking"

urlpatterns = [
    path("question/", views.question_new, name="question_new"),
    path("question/<uuid:pk>/", views.question, name="question"),
    path("drafts/<int:pk>/", views.draft, name="draft"),
    path("submissions/<int:pk>/", views.submission, name="submission"),
    path("<uuid:pk>/stop/", views.stop, name="stop"),
]
