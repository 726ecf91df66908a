"""The routes of releases."""

from django.urls import path

from taxonomy_app.releases import views

app_name = "releases"
urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("matrix/", views.matrix, name="matrix"),
    path("compare/", views.compare, name="compare"),
    path("<int:number>/", views.release, name="release"),
    path("<int:number>/leaves/<uuid:leaf_id>/", views.leaf, name="leaf"),
    path("<int:number>/scores.json", views.scores_json, name="scores_json"),
    path("<int:number>/scores.csv", views.scores_csv, name="scores_csv"),
    path("<int:number>/publish", views.publish, name="publish"),
    path("<int:number>/promote", views.promote, name="promote"),
    path("<int:number>/rollback", views.rollback, name="rollback"),
]
