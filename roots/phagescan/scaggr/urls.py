"""The pages: the front page, login and logout, the Admin UI."""

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView
from django.contrib.staticfiles.views import serve
from django.urls import path

from scaggr.views import home

admin.site.site_header = admin.site.site_title = "Phagescan Master"
admin.site.index_title = "Admin"

urlpatterns = [
    path("", home, name="home"),
    path("login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
]

# In development the static files come from the source, whichever server runs; in production nginx has them.
if settings.DEBUG:
    urlpatterns.append(path("static/<path:path>", login_not_required(serve)))
