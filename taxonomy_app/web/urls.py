"""The routes of the start page and of what every site has."""

from django.urls import path

from taxonomy_app.web import views

app_name = "web"
urlpatterns = [
    path("", views.home, name="home"),
    path("about/", views.about, name="about"),
    path("theme/", views.theme, name="theme"),
    path("language/", views.language, name="language"),
    path("shortcuts/", views.shortcuts, name="shortcuts"),
    path("health/", views.health, name="health"),
    path("robots.txt", views.robots, name="robots"),
    path("site.webmanifest", views.manifest, name="manifest"),
    path("favicon.ico", views.favicon, name="favicon"),
]
