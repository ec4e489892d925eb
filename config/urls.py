"""Every URL of the application, assembled from the apps."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from accounts.api.second_factor import second_factor
from accounts.api.session_life import sign_in_again
from accounts.api.single_sign_on import sso_callback, sso_login
from accounts.api.views import unknown_path
from config.operations.health import healthz, metrics, readyz
from config.staff import viewing
from metering.proofs.api.keys import proof_keys

# Staff sign in on the same page as everyone else, so that second factors and limits hold for them too.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

handler400 = "portal.views.error_pages.bad_request"
handler403 = "portal.views.error_pages.forbidden"
handler404 = "portal.views.error_pages.not_found"
handler500 = "portal.views.error_pages.server_error"

viewing_as_customer = [
    path("acquire/", viewing.begin, name="acquire"),
    path("release/", viewing.release, name="release"),
]
urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path(".well-known/countinghouse-keys.json", proof_keys, name="proof-keys"),
    path("api/v1/", include("accounts.api.urls")),
    path("api/v1/", include("accounts.keys.api.urls")),
    path("api/v1/", include("accounts.webhooks.api.urls")),
    path("api/v1/", include("metering.proofs.api.urls")),  # before metering's own: receipts for its events
    path("api/v1/", include("metering.api.urls")),
    path("api/v1/", include("metering.alerts.api.urls")),
    path("api/v1/", include("metering.lake.api.urls")),
    path("api/v1/", include("billing.api.urls")),
    path("api/v1/", include("billing.evidence.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-docs"),
    re_path(r"^api/(?P<path>.*)$", unknown_path),
    path("webhooks/", include("billing.collection.api.urls")),
    path("admin/", admin.site.urls),
    path("accounts/second-factor/", second_factor, name="second_factor"),
    path("accounts/sign-in-again/", sign_in_again, name="sign_in_again"),
    # Before allauth's own, which check less.
    path("accounts/oidc/<str:provider_id>/login/", sso_login, name="sso_login"),
    path("accounts/oidc/<str:provider_id>/login/callback/", sso_callback, name="sso_callback"),
    path("accounts/", include("allauth.urls")),
    path("hijack/", include((viewing_as_customer, "hijack"))),
    path("", include("portal.urls")),
]
