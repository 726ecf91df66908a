"""The routes of accounts and people."""

from django.urls import path

from taxonomy_app.people import views

app_name = "people"
urlpatterns = [
    path("", views.people_list, name="list"),
    path("add/", views.add, name="add"),
    path("sign-in/", views.sign_in, name="sign_in"),
    path("sign-out/", views.sign_out, name="sign_out"),
    path("register/", views.register, name="register"),
    path("account/", views.profile, name="profile"),
    path("account/password/", views.change_password, name="change_password"),
    path("account/confirm/", views.send_confirmation, name="send_confirmation"),
    path("confirm/<str:token>/", views.confirm_email, name="confirm_email"),
    path("password/<int:pk>/<str:token>/", views.choose_password, name="choose_password"),
    path("@<str:username>/", views.person, name="person"),
    path("@<str:username>/role/", views.change_role, name="change_role"),
    path("@<str:username>/close/", views.close, name="close"),
    path("@<str:username>/reopen/", views.reopen, name="reopen"),
    path("@<str:username>/password-link/", views.password_link, name="password_link"),
]
