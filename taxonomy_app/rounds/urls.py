"""The routes of rounds."""

from django.urls import path

from taxonomy_app.rounds import views

app_name = "rounds"
urlpatterns = [
    path("", views.round_list, name="list"),
    path("new/", views.round_new, name="new"),
    path("estimate/", views.round_cost, name="estimate"),
    path("<uuid:round_id>/", views.round_show, name="round"),
    path("<uuid:round_id>/progress/", views.round_progress, name="progress"),
    path("<uuid:round_id>/samples/", views.round_samples, name="samples"),
    path("<uuid:round_id>/samples/decide/", views.row_decide, name="decide"),
    path("<uuid:round_id>/go-on/", views.round_go_on, name="go_on"),
    path("<uuid:round_id>/data/<str:name>.jsonl", views.round_data, name="data"),
    path("<uuid:round_id>/preview/", views.round_look_ahead, name="preview"),
    path("<uuid:round_id>/start/", views.round_begin, name="start"),
    path("<uuid:round_id>/cancel/", views.round_stop, name="cancel"),
    path("<uuid:round_id>/retry/", views.round_again, name="retry"),
    path("<uuid:round_id>/log/<str:kind>/<int:attempt>/", views.attempt_log, name="log"),
]
