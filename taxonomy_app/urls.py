"""Every app's routes, in one place each."""

from django.urls import include, path

urlpatterns = [
    path("", include("taxonomy_app.web.urls")),
    path("people/", include("taxonomy_app.people.urls")),
    path("mail/", include("taxonomy_app.mail.urls")),
    path("taxonomy/", include("taxonomy_app.tree.urls")),
    path("contributions/", include("taxonomy_app.contributions.urls")),
    path("asking/", include("taxonomy_app.asking.urls")),
    path("rounds/", include("taxonomy_app.rounds.urls")),
    path("exchange/", include("taxonomy_app.exchange.urls")),
    path("releases/", include("taxonomy_app.releases.urls")),
]
