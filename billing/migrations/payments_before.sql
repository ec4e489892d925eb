-- What payments before this migration pay for. `SET CONSTRAINTS` lets the tables be altered afterwards.
SET CONSTRAINTS ALL IMMEDIATE;

DROP TRIGGER refuse_change ON billing_payment;
UPDATE billing_payment AS p SET tenant_id = i.tenant_id FROM billing_invoice AS i WHERE i.id = p.invoice_id;

CREATE OR REPLACE FUNCTION billing_keep_finalized_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    open_columns text[] := ARRAY['status', 'paid_at', 'voided_at', 'void_reason', 'uncollectible_at', 'payment_failed_at',
        'payment_error', 'amount_paid_minor', 'credited_minor'];
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'an invoice is never deleted' USING ERRCODE = '23001';
    END IF;
    IF OLD.finalized_at IS NOT NULL AND to_jsonb(OLD) - open_columns <> to_jsonb(NEW) - open_columns THEN
        RAISE EXCEPTION 'invoice % is finalized: it never changes', OLD.number USING ERRCODE = '23001';
    END IF;
    IF OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN (('draft', 'finalized'), ('draft', 'paid'),
        ('finalized', 'paid'), ('finalized', 'void'), ('finalized', 'uncollectible'),
        ('uncollectible', 'paid'), ('uncollectible', 'void'), ('paid', 'finalized')) THEN
        RAISE EXCEPTION 'an invoice that is % does not become %', OLD.status, NEW.status USING ERRCODE = '23001';
    END IF;
    RETURN NEW;
END
$$;

-- One payment over its total settled each paid invoice.
INSERT INTO billing_paymentallocation (tenant_id, payment_id, invoice_id, amount_minor, reason, created_at, created_by)
SELECT i.tenant_id, p.id, i.id, i.total_minor, '', p.created_at, p.provider
FROM billing_invoice AS i JOIN billing_payment AS p ON p.invoice_id = i.id AND p.status = 'succeeded'
WHERE i.status = 'paid' AND i.total_minor > 0 AND p.amount_minor >= i.total_minor AND p.currency = i.currency;

-- A paid invoice that was credited: its money is free, and was given back outside of the application, as its page said.
INSERT INTO billing_paymentallocation
    (tenant_id, payment_id, invoice_id, amount_minor, reverses_id, reason, created_at, created_by)
SELECT a.tenant_id, a.payment_id, a.invoice_id, -a.amount_minor, a.id, 'Credited by ' || n.number, n.issued_at, n.issued_by
FROM billing_paymentallocation AS a JOIN billing_creditnote AS n ON n.invoice_id = a.invoice_id;
INSERT INTO billing_paymentrefund
    (tenant_id, payment_id, way, reference, amount_minor, currency, reason, occurred_at, created_at, created_by)
SELECT a.tenant_id, a.payment_id, 'other', '', -a.amount_minor, p.currency,
    'Given back outside of the application, before refunds were kept here', a.created_at, a.created_at, a.created_by
FROM billing_paymentallocation AS a JOIN billing_payment AS p ON p.id = a.payment_id WHERE a.reverses_id IS NOT NULL;
-- An unmatched payment that somebody resolved: the resolution says what became of it.
INSERT INTO billing_paymentrefund
    (tenant_id, payment_id, way, reference, amount_minor, currency, reason, occurred_at, created_at, created_by)
SELECT p.tenant_id, p.id, 'other', '', p.amount_minor, p.currency,
    left('Resolved before refunds were kept here: ' || e.resolution, 200), e.resolved_at, e.resolved_at, e.resolved_by
FROM billing_payment AS p JOIN billing_billingexception AS e ON e.payment_id = p.id
WHERE p.status = 'unmatched' AND p.amount_minor > 0 AND e.resolved_at IS NOT NULL;

UPDATE billing_payment AS p SET allocated_minor = a.sum FROM (
    SELECT payment_id, sum(amount_minor) AS sum FROM billing_paymentallocation GROUP BY 1) AS a WHERE a.payment_id = p.id;
UPDATE billing_payment AS p SET refunded_minor = r.sum FROM (
    SELECT payment_id, sum(amount_minor) AS sum FROM billing_paymentrefund GROUP BY 1) AS r WHERE r.payment_id = p.id;
UPDATE billing_invoice AS i SET amount_paid_minor = a.sum FROM (
    SELECT invoice_id, sum(amount_minor) AS sum FROM billing_paymentallocation GROUP BY 1) AS a WHERE a.invoice_id = i.id;
UPDATE billing_invoice AS i SET credited_minor = n.total_minor
FROM billing_creditnote AS n WHERE n.invoice_id = i.id;

SET CONSTRAINTS ALL DEFERRED;
