"""The routes of the taxonomy."""

from django.urls import path

from taxonomy_app.tree import views

app_name = "tree"
urlpatterns = [
    path("", views.home, name="home"),
    path("folder/", views.folder, name="folder"),
    path("where/", views.places, name="places"),
    path("leaf/<uuid:leaf_id>/", views.leaf, name="leaf"),
    path("leaf/<uuid:leaf_id>/history/", views.history, name="history"),
    path("leaf/<uuid:leaf_id>/history/<int:position>/", views.version, name="version"),
    path("leaf/<uuid:leaf_id>/related/", views.related, name="related"),
    path("leaf/<uuid:leaf_id>/documents/<path:name>/", views.document, name="document"),
    path("leaf/<uuid:leaf_id>/qna.yaml", views.download, name="download"),
    path("at/<path:path>/", views.at_path, name="at_path"),
]
