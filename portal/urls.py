"""The portal's addresses. Every page of a tenant lies below `/t/<slug>/`."""

from django.urls import include, path

from portal.views import (
    alerts,
    audit,
    errors,
    events,
    first_steps,
    invoices,
    keys,
    landing,
    overview,
    plan,
    plan_choice,
    pricing,
    security,
    settings,
    start,
    team,
    usage,
)

app_name = "portal"

tenant_pages = [
    path("", overview.overview, name="overview"),
    path("first-steps/", first_steps.first_steps, name="first_steps"),
    path("first-steps/event/", first_steps.first_event, name="first_event"),
    path("usage/", usage.usage, name="usage"),
    path("usage.csv", usage.usage_csv, name="usage_csv"),
    path("events/", events.events, name="events"),
    path("events/one/", events.event, name="event"),
    path("alerts/", alerts.alerts, name="alerts"),
    path("keys/", keys.keys, name="keys"),
    path("keys/new/", keys.key_new, name="key_new"),
    path("keys/<uuid:key_id>/", keys.key, name="key"),
    path("keys/<uuid:key_id>/rotate/", keys.key_rotate, name="key_rotate"),
    path("keys/<uuid:key_id>/revoke/", keys.key_revoke, name="key_revoke"),
    path("plan/", plan.plan, name="plan"),
    path("plan/choose/", plan_choice.plan_choose, name="plan_choose"),
    path("plan/cancel/", plan.plan_cancel, name="plan_cancel"),
    path("plan/undo/", plan.plan_undo, name="plan_undo"),
    path("plan/card/", plan.plan_card, name="plan_card"),
    path("plan/checkout-done/", plan.checkout_done, name="checkout_done"),
    path("invoices/", invoices.invoices, name="invoices"),
    path("invoices/next/", invoices.invoice_ahead, name="invoice_ahead"),
    path("invoices/<str:number>/", invoices.invoice, name="invoice"),
    path("invoices/<str:number>/pdf/", invoices.invoice_pdf, name="invoice_pdf"),
    path("invoices/<str:number>/credit-note/", invoices.credit_note_pdf, name="credit_note_pdf"),
    path("invoices/<str:number>/pay/", invoices.invoice_pay, name="invoice_pay"),
    path("invoices/<str:number>/lines/<int:position>/events/", invoices.line_events, name="line_events"),
    path("team/", team.team, name="team"),
    path("team/invite/", team.invite, name="invite"),
    path("team/invitations/<int:invitation_id>/revoke/", team.invitation_revoke, name="invitation_revoke"),
    path("team/<int:membership_id>/", team.member, name="member"),
    path("team/<int:membership_id>/remove/", team.member_remove, name="member_remove"),
    path("settings/", settings.settings, name="settings"),
    path("security/", security.security, name="security"),
    path("audit/", audit.audit, name="audit"),
]

urlpatterns = [
    path("", landing.landing, name="landing"),
    path("docs/errors", errors.errors, name="errors"),
    path("pricing/", pricing.pricing, name="pricing"),
    path("pricing/<slug:code>/", pricing.pricing_choose, name="pricing_choose"),
    path("start/", start.start, name="start"),
    path("invitations/<str:token>/", start.invitation, name="invitation"),
    path("t/<slug:slug>/", include(tenant_pages)),
]
