"""The routes of import, export and remotes: administrators', but for the door of code hosts' messages."""

from django.urls import path

from taxonomy_app.exchange import views

app_name = "exchange"
urlpatterns = [
    path("", views.home, name="home"),
    path("transfers/", views.transfers, name="transfers"),
    path("transfers/<uuid:pk>/", views.transfer, name="transfer"),
    path("transfers/<uuid:pk>/download/", views.download, name="download"),
    path("import/file/", views.import_file, name="import_file"),
    path("import/remote/", views.import_remote, name="import_remote"),
    path("export/", views.export, name="export"),
    path("documents/add/", views.document_add, name="document_add"),
    path("documents/fetch/", views.documents_fetch, name="documents_fetch"),
    path("remotes/add/", views.remote_add, name="remote_add"),
    path("remotes/<slug:name>/", views.remote, name="remote"),
    path("remotes/<slug:name>/sync/", views.remote_sync, name="remote_sync"),
    path("remotes/<slug:name>/decide/", views.remote_decide, name="remote_decide"),
    path("remotes/<slug:name>/remove/", views.remote_remove, name="remote_remove"),
    path("hooks/<slug:name>/", views.hook, name="hook"),
]
