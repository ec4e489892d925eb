-- A person who is erased keeps a pseudonym where history names them. The application's role may not change history: it may ask the
-- owner, by these functions, to put the pseudonym of one person in the place of that person's addresses, and for nothing else. The
-- functions of other apps use the first three.

CREATE FUNCTION person_addresses(person bigint) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT coalesce(array_agg(DISTINCT lower(address)), '{}') FROM (
        SELECT email AS address FROM accounts_user WHERE id = person
        UNION ALL SELECT email FROM account_emailaddress WHERE user_id = person
    ) AS own WHERE address LIKE '%_@_%'
$$;

-- A label may have several words, as "staff@example.com as alice@example.com".
CREATE FUNCTION text_without_person(label text, addresses text[], pseudonym text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT coalesce(
        string_agg(CASE WHEN lower(word) = ANY (addresses) THEN pseudonym ELSE word END, ' ' ORDER BY place), '')
    FROM unnest(string_to_array(label, ' ')) WITH ORDINALITY AS words (word, place)
$$;

CREATE FUNCTION json_without_person(value jsonb, addresses text[], pseudonym text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, public AS $$
BEGIN
    CASE jsonb_typeof(value)
        WHEN 'string' THEN
            RETURN to_jsonb(text_without_person(value #>> '{}', addresses, pseudonym));
        WHEN 'array' THEN
            RETURN coalesce((SELECT jsonb_agg(json_without_person(item, addresses, pseudonym) ORDER BY place)
                FROM jsonb_array_elements(value) WITH ORDINALITY AS items (item, place)), value);
        WHEN 'object' THEN
            RETURN coalesce((SELECT jsonb_object_agg(name, json_without_person(item, addresses, pseudonym))
                FROM jsonb_each(value) AS pairs (name, item)), value);
        ELSE
            RETURN value;
    END CASE;
END
$$;

CREATE FUNCTION refuse_unless_erased(person bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM accounts_user WHERE id = person AND erased_at IS NOT NULL) THEN
        RAISE EXCEPTION 'person % is not being erased', person USING ERRCODE = '22023';
    END IF;
END
$$;

-- What happened stays: action, target, time and all values but the person's addresses, name and IP address.
CREATE FUNCTION audit_forget_person(person bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    addresses text[] := person_addresses(person);
    pseudonym text := 'person-' || person;
    patterns text[] := ARRAY(SELECT '%' || address || '%' FROM unnest(addresses) AS address);
    changed bigint;
BEGIN
    PERFORM refuse_unless_erased(person);
    UPDATE accounts_auditentry AS entry SET
        actor_label = text_without_person(actor_label, addresses, pseudonym),
        target_label = text_without_person(target_label, addresses, pseudonym),
        before = json_without_person(before, addresses, pseudonym),
        after = json_without_person(after, addresses, pseudonym),
        ip = CASE WHEN actor_user_id = person THEN NULL ELSE ip END
    WHERE actor_user_id = person
        OR lower(concat_ws(' ', actor_label, target_label, before::text, after::text)) LIKE ANY (patterns);
    GET DIAGNOSTICS changed = ROW_COUNT;
    UPDATE accounts_auditentry AS entry SET
        before = CASE WHEN before ? 'name' THEN before || jsonb_build_object('name', pseudonym) ELSE before END,
        after = CASE WHEN after ? 'name' THEN after || jsonb_build_object('name', pseudonym) ELSE after END
    WHERE target_kind = 'user' AND target_id = person::text;
    RETURN changed;
END
$$;
