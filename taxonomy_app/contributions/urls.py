"""Addresses of drafts, submissions and reviewing."""

from django.urls import path

from taxonomy_app.contributions.views import authoring, moving, reviewing, rules, saves, submissions, suggestions

app_name = "contributions"

urlpatterns = [
    path("", submissions.mine, name="mine"),
    path("notices/", submissions.notices, name="notices"),
    path("notices/read/", submissions.notices_read, name="notices_read"),
    path("new/", authoring.new, name="new"),
    path("new/places/", authoring.places, name="places"),
    path("improve/<uuid:leaf_id>/", authoring.improve, name="improve"),
    path("drafts/<int:pk>/", authoring.draft, name="draft"),
    path("drafts/<int:pk>/check/", authoring.draft_check, name="draft_check"),
    path("drafts/<int:pk>/yaml/", authoring.draft_yaml, name="draft_yaml"),
    path("drafts/<int:pk>/qna.yaml", authoring.draft_download, name="draft_download"),
    path("drafts/<int:pk>/submit/", authoring.draft_submit, name="draft_submit"),
    path("drafts/<int:pk>/saves/", saves.draft_saves, name="draft_saves"),
    path("drafts/<int:pk>/saves/<int:version>/", saves.draft_earlier, name="draft_earlier"),
    path("drafts/<int:pk>/saves/<int:version>/restore/", saves.draft_restore, name="draft_restore"),
    path("drafts/<int:pk>/detach/", authoring.draft_detach, name="draft_detach"),
    path("drafts/<int:pk>/discard/", authoring.draft_discard, name="draft_discard"),
    path("queue/", reviewing.queue, name="queue"),
    path("queue/all/", reviewing.decide_all, name="decide_all"),
    path("queue/history.csv", reviewing.trail, name="queue_trail"),
    path("queue/filters/", reviewing.filter_save, name="filter_save"),
    path("queue/filters/<int:pk>/forget/", reviewing.filter_forget, name="filter_forget"),
    path("review/<int:pk>/", reviewing.review, name="review"),
    path("review/<int:pk>/claim/", reviewing.claim, name="claim"),
    path("review/<int:pk>/release/", reviewing.release, name="release"),
    path("review/<int:pk>/decide/", reviewing.decide, name="decide"),
    path("review/<int:pk>/alike/", reviewing.alike, name="alike"),
    path("review/<int:pk>/move/", moving.move, name="move"),
    path("review/<int:pk>/suggest/", suggestions.suggest, name="suggest"),
    path("rules/", rules.rules, name="rules"),
    path("rules/add/", rules.rule_add, name="rule_add"),
    path("rules/<int:pk>/", rules.rule, name="rule"),
    path("rules/<int:pk>/remove/", rules.rule_remove, name="rule_remove"),
    path("<int:pk>/", submissions.submission, name="submission"),
    path("<int:pk>/history.csv", submissions.trail, name="trail"),
    path("<int:pk>/revise/", submissions.revise, name="revise"),
    path("<int:pk>/withdraw/", submissions.withdraw, name="withdraw"),
    path("<int:pk>/comment/", submissions.comment, name="comment"),
    path("<int:pk>/comments/<int:comment_pk>/settle/", submissions.comment_resolve, name="comment_resolve"),
    path("<int:pk>/suggestions/<int:comment_pk>/", suggestions.suggestion, name="suggestion"),
    path("<int:pk>/suggestions/<int:comment_pk>/decline/", suggestions.suggestion_decline, name="suggestion_decline"),
    path("<int:pk>/revisions/<int:number>/", submissions.revision, name="revision"),
]
