"""Every kind of notice, by the path of its constant, in the order in which people see them; what staff are told."""

from typing import Final

NOTICE_KINDS: Final = (
    "metering.alerts.domain.alerts.USAGE_ALERT",
    "metering.alerts.domain.alerts.UNUSUAL_USAGE",
    "accounts.keys.domain.leaks.KEY_LEAK",
    "accounts.keys.domain.expiry.KEY_EXPIRY",
    "accounts.webhooks.domain.mails.ENDPOINT_DISABLED",
    "accounts.channels.domain.mails.CHANNEL_STOPPED",
    "accounts.channels.domain.mails.CHANNEL_MAIL",
    "billing.domain.mails.INVOICE",
    "billing.domain.mails.CREDIT_NOTE",
    "billing.desk.services.answering.LINE_QUESTION",
    "billing.dunning.services.mailing.DUNNING",
    "billing.domain.mails.TRIAL_END",
    "accounts.exports.domain.mails.EXPORT_READY",
    "billing.domain.mails.CLOSED",
)
# Each by the function that finds what happened.
STAFF_NOTICE_SOURCES: Final = (
    "accounts.channels.selectors.staff_sources.new_customers",
    "accounts.channels.selectors.staff_sources.new_differences",
    "metering.alerts.selectors.staff_notices.new_anomalies",
    "billing.selectors.staff_notices.failed_payments",
    "billing.selectors.staff_notices.new_exceptions",
)
