-- A void says who asked for it. The application's role may not change one: it may ask the owner to forget one person.
CREATE FUNCTION ledger_forget_person(person bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    addresses text[] := person_addresses(person);
    patterns text[] := ARRAY(SELECT '%' || address || '%' FROM unnest(addresses) AS address);
    changed bigint;
BEGIN
    PERFORM refuse_unless_erased(person);
    UPDATE event_void SET voided_by = text_without_person(voided_by, addresses, 'person-' || person)
    WHERE lower(voided_by) LIKE ANY (patterns);
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END
$$;
