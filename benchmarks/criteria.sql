-- A second opinion: criteria of the trial cd19_autoimmune in plain SQL of DuckDB over event tables, written by hand from the words of
-- docs/records.md and kb/README.md, without pyscreen. Three-valued: NULL is unknown. tests/test_truth_in_sql.py holds both equal on
-- invented patients; benchmarks/population.py measures them side by side.
--
-- Before it: views patients, measurements, findings, therapies, procedures, and SET VARIABLE day = DATE '...'.
-- Each criterion is a view of (patient, answer) and named like the test it answers. A patient of whom it cannot tell has no row.

-- ---- days, values, people --------------------------------------------------------------------------------------------

-- A date known to its month or year is a first and a last day that it may be.
CREATE OR REPLACE MACRO first_day(d) AS CASE length(d) WHEN 10 THEN d::DATE WHEN 7 THEN (d || '-01')::DATE WHEN 4 THEN (d || '-01-01')::DATE END;
CREATE OR REPLACE MACRO last_day_of(d) AS CASE length(d) WHEN 10 THEN d::DATE WHEN 7 THEN last_day((d || '-01')::DATE) WHEN 4 THEN (d || '-12-31')::DATE END;

-- What is reported as "<20" lies below 20; NULL is no bound.
CREATE OR REPLACE MACRO below(lo, lo_open, hi, hi_open, t) AS CASE WHEN lo >= t THEN false WHEN hi < t OR (hi = t AND hi_open) THEN true END;
CREATE OR REPLACE MACRO at_most(lo, lo_open, hi, hi_open, t) AS CASE WHEN hi <= t THEN true WHEN lo > t OR (lo = t AND lo_open) THEN false END;

-- All agree, or it is not known.
CREATE OR REPLACE MACRO agreed(t) AS CASE WHEN count(t) = count(*) AND min(t) = max(t) THEN min(t) END;

CREATE OR REPLACE VIEW person AS
WITH read AS (
    SELECT patient, sex, recorded::DATE AS recorded, coalesce(complete, []) AS complete,
           first_day(birth_date) AS born_lo, last_day_of(birth_date) AS born_hi, first_day(died) AS died_lo, last_day_of(died) AS died_hi
    FROM patients
)
SELECT patient, sex, recorded, complete,
       CASE WHEN died_hi < born_lo THEN NULL ELSE born_lo END AS born_lo, CASE WHEN died_hi < born_lo THEN NULL ELSE born_hi END AS born_hi,
       CASE WHEN died_hi < born_lo THEN NULL ELSE died_hi END AS died_hi
FROM read;

-- Who has items that cannot be (before birth, after death, ending before they begin): such a section is not complete, whatever it says.
CREATE OR REPLACE VIEW contrary AS
WITH item AS (
    SELECT patient, 'measurements' AS section, date AS start, NULL AS stop FROM measurements
    UNION ALL SELECT patient, 'findings', date, CASE WHEN "end" <> 'ongoing' THEN "end" END FROM findings
    UNION ALL SELECT patient, 'procedures', date, NULL FROM procedures
    UNION ALL SELECT patient, 'therapies', start, CASE WHEN "end" <> 'ongoing' THEN "end" END FROM therapies WHERE taken
)
SELECT DISTINCT patient, section FROM item JOIN person USING (patient)
WHERE last_day_of(start) < born_lo OR first_day(start) > died_hi OR last_day_of(stop) < born_lo OR first_day(stop) > died_hi
   OR last_day_of(stop) < first_day(start);

-- Values that count: not after the screening day, not before birth or after death; in the canonical unit.
CREATE OR REPLACE VIEW number AS
WITH said AS (
    SELECT m.patient, quantity, unit, time AS clock, method, low, high,
           first_day(date) AS lo, last_day_of(date) AS hi_said,
           coalesce(regexp_extract(text, '^([<>]=?)', 1), '') AS sign,
           CASE WHEN text IS NULL THEN value WHEN text = 'unknown' THEN NULL ELSE regexp_replace(text, '^([<>]=?|1:)', '')::DOUBLE END AS v,
           born_lo, died_hi
    FROM measurements m JOIN person USING (patient)
    WHERE quantity IN ('platelets', 'ldh', 'hba1c', 'weight')
), converted AS (
    SELECT *, least(hi_said, greatest(lo, getvariable('day'))) AS hi,
           CASE
               WHEN quantity = 'platelets' AND unit IN ('10*4/uL', '10^4/uL', '10*4/mm3') THEN v * 10
               WHEN quantity = 'platelets' AND unit IN ('10*6/L', '10^6/L', '/uL', '{cells}/uL', '{#}/uL', '1/uL', '/mm3', '{cells}/mm3') THEN v / 1000
               WHEN quantity = 'platelets' AND unit IN ('10*12/L', '10^12/L', '10*6/uL', '10^6/uL') THEN v * 1000
               WHEN quantity = 'platelets' AND unit = '/L' THEN v / 1e9
               WHEN quantity = 'hba1c' AND unit = 'mmol/mol' THEN v * 1000 / 10929 + 2.15
               WHEN quantity = 'weight' AND unit = 'g' THEN v / 1000
               WHEN quantity = 'weight' AND unit IN ('[lb_av]', 'lb', 'lbs') THEN v * 0.45359237
               ELSE v
           END AS c
    FROM said
    WHERE (lo IS NULL OR lo <= getvariable('day'))
      AND coalesce(hi_said >= born_lo, true) AND coalesce(lo <= died_hi, true) AND coalesce(high >= low, true)
)
SELECT patient, quantity, clock, method, low, high, v, lo, hi, lo = hi AS exact,
       CASE WHEN sign IN ('', '>', '>=') THEN c END AS v_lo, sign = '>' AS v_lo_open,
       CASE WHEN sign IN ('', '<', '<=') THEN c END AS v_hi, sign = '<' AS v_hi_open,
       CASE WHEN sign IN ('', '>', '>=') THEN v END AS own_lo, CASE WHEN sign IN ('', '<', '<=') THEN v END AS own_hi
FROM converted;

-- The values that may be the latest: those that may lie on or after the first day of the last one, and undated ones. Where all of
-- one day have a clock, the clock decides.
CREATE OR REPLACE VIEW candidate AS
WITH late AS (
    SELECT *, max(lo) OVER w AS bar FROM number WINDOW w AS (PARTITION BY patient, quantity)
), near AS (
    SELECT *, bool_and(clock IS NOT NULL) FILTER (lo IS NOT NULL) OVER w AS clocked, max(clock) FILTER (lo IS NOT NULL) OVER w AS last_clock
    FROM late WHERE lo IS NULL OR hi >= bar WINDOW w AS (PARTITION BY patient, quantity)
)
SELECT * FROM near WHERE lo IS NULL OR NOT clocked OR clock = last_clock;

-- Two different values at one instant are a conflict, and answer nothing.
CREATE OR REPLACE VIEW clash AS
SELECT DISTINCT patient, quantity FROM candidate WHERE exact GROUP BY patient, quantity, lo, clock, method
HAVING count(DISTINCT struct_pack(a := v_lo, b := v_hi, c := v_lo_open, d := v_hi_open)) > 1;

-- ---- criteria --------------------------------------------------------------------------------------------------------

-- criterion: any_age(between(age,"18 a","70 a"))
CREATE OR REPLACE VIEW adult AS
WITH years AS (
    SELECT patient, date_sub('year', born_hi, getvariable('day')) AS least_age, date_sub('year', born_lo, getvariable('day')) AS most
    FROM person WHERE born_lo <= getvariable('day')
)
SELECT patient, (CASE WHEN least_age >= 18 THEN true WHEN most < 18 THEN false END)
            AND (CASE WHEN most <= 70 THEN true WHEN least_age > 70 THEN false END) AS answer
FROM person LEFT JOIN years USING (patient);

-- criterion: sex(female)
CREATE OR REPLACE VIEW woman AS SELECT patient, sex = 'female' AS answer FROM person;

-- criterion: any_age(below(platelets,"30 10*9/L"))
CREATE OR REPLACE VIEW platelets_below_30 AS
SELECT patient, CASE WHEN any_value(clash.quantity) IS NULL THEN agreed(below(v_lo, v_lo_open, v_hi, v_hi_open, 30)) END AS answer
FROM candidate LEFT JOIN clash USING (patient, quantity) WHERE quantity = 'platelets' GROUP BY patient;

-- criterion: any_age(below(platelets,"100 10*9/L"))
CREATE OR REPLACE VIEW platelets_below_100 AS
SELECT patient, CASE WHEN any_value(clash.quantity) IS NULL THEN agreed(below(v_lo, v_lo_open, v_hi, v_hi_open, 100)) END AS answer
FROM candidate LEFT JOIN clash USING (patient, quantity) WHERE quantity = 'platelets' GROUP BY patient;

-- criterion: recent(below(platelets,"100 10*9/L"))
CREATE OR REPLACE VIEW platelets_below_100_of_late AS
SELECT patient, CASE WHEN any_value(clash.quantity) IS NULL AND bool_and(coalesce(lo >= getvariable('day') - 28, false))
                     THEN agreed(below(v_lo, v_lo_open, v_hi, v_hi_open, 100)) END AS answer
FROM candidate LEFT JOIN clash USING (patient, quantity) WHERE quantity = 'platelets' GROUP BY patient;

-- criterion: any_age(above(ldh,"1.5 [ULN]"))
CREATE OR REPLACE VIEW ldh_above_limit AS
SELECT patient, CASE WHEN any_value(clash.quantity) IS NULL
                     THEN agreed(CASE WHEN high IS NOT NULL THEN NOT at_most(own_lo, v_lo_open, own_hi, v_hi_open, 1.5 * high) END) END AS answer
FROM candidate LEFT JOIN clash USING (patient, quantity) WHERE quantity = 'ldh' GROUP BY patient;

-- criterion: any_age(at_least(hba1c,"8.5 %"))
CREATE OR REPLACE VIEW hba1c_high AS
SELECT patient, CASE WHEN any_value(clash.quantity) IS NULL THEN agreed(NOT below(v_lo, v_lo_open, v_hi, v_hi_open, 8.5)) END AS answer
FROM candidate LEFT JOIN clash USING (patient, quantity) WHERE quantity = 'hba1c' GROUP BY patient;

-- criterion: recent(at_least(hba1c,"8.5 %"))
CREATE OR REPLACE VIEW hba1c_high_of_late AS
SELECT patient, CASE WHEN any_value(clash.quantity) IS NULL AND bool_and(coalesce(lo >= (getvariable('day') - INTERVAL 3 MONTH)::DATE, false))
                     THEN agreed(NOT below(v_lo, v_lo_open, v_hi, v_hi_open, 8.5)) END AS answer
FROM candidate LEFT JOIN clash USING (patient, quantity) WHERE quantity = 'hba1c' GROUP BY patient;

-- criterion: any_age(at_most(weight,"40 kg"))
CREATE OR REPLACE VIEW light AS
SELECT patient, CASE WHEN any_value(clash.quantity) IS NULL THEN agreed(at_most(v_lo, v_lo_open, v_hi, v_hi_open, 40)) END AS answer
FROM candidate LEFT JOIN clash USING (patient, quantity) WHERE quantity = 'weight' GROUP BY patient;

-- criterion: no_very_low_count
-- The lowest of all: certain where every value is bounded on that side.
CREATE OR REPLACE VIEW never_below_20 AS
WITH lowest AS (
    SELECT patient, CASE WHEN count(v_lo) = count(*) THEN min(v_lo) END AS lo, min(v_hi) AS hi,
           bool_or(v_hi_open AND v_hi = 20) AND min(v_hi) = 20 AS touches
    FROM number WHERE quantity = 'platelets' GROUP BY patient
)
SELECT patient, CASE WHEN lo >= 20 THEN true WHEN hi < 20 OR touches THEN false END AS answer FROM lowest;

-- The last value of each day; no order where a value has no day, no answer where two clash.
CREATE OR REPLACE VIEW daily AS
WITH whole AS (
    SELECT *, bool_and(coalesce(exact, false)) OVER p AS dated, bool_and(clock IS NOT NULL) OVER d AS clocked, max(clock) OVER d AS last_clock
    FROM number WHERE quantity = 'platelets'
    WINDOW p AS (PARTITION BY patient), d AS (PARTITION BY patient, lo)
), last AS (
    SELECT * FROM whole WHERE NOT (dated AND clocked) OR clock = last_clock
)
SELECT patient, lo AS on_day, any_value(dated) AS dated, agreed(below(v_lo, v_lo_open, v_hi, v_hi_open, 50)) AS low_count,
       count(DISTINCT struct_pack(m := method, k := clock, a := v_lo, b := v_hi, c := v_lo_open, d := v_hi_open))
           > count(DISTINCT struct_pack(m := method, k := clock)) AS clashing,
       row_number() OVER (PARTITION BY patient ORDER BY lo DESC) AS place
FROM last GROUP BY patient, lo;

-- criterion: any_two_platelets_low("50 10*9/L")
CREATE OR REPLACE VIEW two_low_counts AS
WITH pairs AS (
    SELECT one.patient, one.low_count AND other.low_count AS both_low
    FROM daily one JOIN daily other ON one.patient = other.patient AND other.place = one.place + 1
), known AS (
    SELECT patient, bool_and(dated) AND NOT bool_or(clashing) AS good FROM daily GROUP BY patient
)
SELECT patient, CASE WHEN coalesce(good, true) AND yes THEN true
                     WHEN coalesce(good, true) AND coalesce(no, true) AND list_has_any(complete, ['measurements', 'platelets'])
                          AND patient NOT IN (SELECT patient FROM contrary WHERE section = 'measurements') THEN false END AS answer
FROM person LEFT JOIN known USING (patient)
LEFT JOIN (SELECT patient, bool_or(both_low) AS yes, bool_and(NOT both_low) AND count(both_low) = count(*) AS no
           FROM pairs GROUP BY patient) USING (patient);

-- criterion: recent(latest_two_platelets_low("50 10*9/L"))
CREATE OR REPLACE VIEW latest_two_low AS
SELECT patient, CASE WHEN bool_and(dated) AND NOT bool_or(clashing) AND max(on_day) >= getvariable('day') - 28 THEN
                    CASE WHEN bool_or(NOT low_count) FILTER (place <= 2) THEN false
                         WHEN bool_and(low_count) FILTER (place <= 2) AND count(low_count) FILTER (place <= 2) = 2 THEN true END
                END AS answer
FROM daily GROUP BY patient;

-- Transplants: done, denied, or complete.
CREATE OR REPLACE VIEW transplant AS
SELECT p.patient, done, first_day(date) AS lo, least(last_day_of(date), getvariable('day')) AS hi
FROM procedures JOIN person p USING (patient)
WHERE procedure = 'solid_organ_transplant' AND NOT planned AND coalesce(first_day(date) <= getvariable('day'), true)
  AND coalesce(last_day_of(date) >= born_lo, true) AND coalesce(first_day(date) <= died_hi, true);

CREATE OR REPLACE VIEW no_gap AS
SELECT patient, list_has_any(complete, ['procedures', 'solid_organ_transplant'])
                AND patient NOT IN (SELECT patient FROM contrary WHERE section = 'procedures') AS complete
FROM person;

-- criterion: procedure(solid_organ_transplant)
CREATE OR REPLACE VIEW transplanted AS
SELECT patient, CASE WHEN bool_or(done) THEN true WHEN bool_or(NOT done) OR any_value(complete) THEN false END AS answer
FROM no_gap LEFT JOIN transplant USING (patient) GROUP BY patient;

-- criterion: of_late(procedure(solid_organ_transplant))
CREATE OR REPLACE VIEW transplanted_of_late AS
WITH placed AS (
    SELECT patient, done, CASE WHEN lo >= since THEN true WHEN hi < since THEN false END AS recent
    FROM transplant, (SELECT (getvariable('day') - INTERVAL 3 MONTH)::DATE AS since)
), undated AS (
    SELECT patient, bool_and(NOT done AND lo IS NULL) AS denied FROM transplant GROUP BY patient
)
SELECT patient, CASE WHEN bool_or(done AND recent) THEN true
                     WHEN bool_or(done AND recent IS NULL) THEN NULL
                     WHEN bool_or(NOT done AND recent) OR any_value(complete) OR any_value(denied) THEN false END AS answer
FROM no_gap LEFT JOIN placed USING (patient) LEFT JOIN undated USING (patient) GROUP BY patient;

-- An infection is a state: present, ended, or denied, as of the day on which it was last said.
CREATE OR REPLACE VIEW infection AS
WITH said AS (
    SELECT p.patient, present, first_day(date) AS lo, last_day_of(date) AS hi, "end" = 'ongoing' AS goes_on, recorded,
           CASE WHEN "end" <> 'ongoing' THEN first_day("end") END AS end_lo, CASE WHEN "end" <> 'ongoing' THEN last_day_of("end") END AS end_hi,
           coalesce(first_day(stated), CASE WHEN "end" = 'ongoing' THEN recorded END, first_day(date), recorded) AS said_lo,
           coalesce(last_day_of(stated), CASE WHEN "end" = 'ongoing' THEN recorded END, last_day_of(date), recorded) AS said_hi, born_lo, died_hi
    FROM findings JOIN person p USING (patient) WHERE finding = 'active_infection'
), counted AS (
    SELECT *, coalesce(goes_on, false) OR coalesce(end_lo > getvariable('day'), false) AS lasts FROM said
    WHERE coalesce(lo <= getvariable('day'), true) AND coalesce(end_hi >= lo, true)
      AND coalesce(hi >= born_lo AND lo <= died_hi, coalesce(hi >= born_lo, true) AND coalesce(lo <= died_hi, true))
      AND coalesce(end_hi >= born_lo, true) AND coalesce(end_lo <= died_hi, true)
)
SELECT patient, present AS so, least(recorded, getvariable('day')) AS lo, least(recorded, getvariable('day')) AS hi FROM counted WHERE lasts
UNION ALL
SELECT patient, present, said_lo, CASE WHEN said_lo <= getvariable('day') THEN least(said_hi, getvariable('day')) ELSE said_hi END
FROM counted WHERE NOT lasts AND (NOT present OR end_lo IS NULL)
UNION ALL
SELECT patient, true, getvariable('day'), getvariable('day') FROM counted WHERE NOT lasts AND present AND end_lo = getvariable('day')
UNION ALL
SELECT patient, false, end_lo, least(end_hi, getvariable('day') - 1) FROM counted WHERE NOT lasts AND present AND end_lo < getvariable('day')
UNION ALL
SELECT patient, true, end_lo, getvariable('day')
FROM counted WHERE NOT lasts AND present AND end_lo < getvariable('day') AND end_hi >= getvariable('day');

-- criterion: any_age(finding(active_infection))
CREATE OR REPLACE VIEW infected AS
WITH late AS (
    SELECT *, max(lo) OVER (PARTITION BY patient) AS bar FROM infection
), near AS (
    SELECT patient, so, lo, hi FROM late WHERE lo IS NULL OR hi >= bar
), clashing AS (
    SELECT DISTINCT patient FROM near WHERE lo = hi GROUP BY patient, lo HAVING count(DISTINCT so) > 1
)
SELECT patient, CASE WHEN patient IN (SELECT patient FROM clashing) THEN NULL
                     WHEN count(so) > 0 THEN agreed(so)
                     WHEN list_has_any(any_value(complete), ['findings', 'active_infection'])
                          AND patient NOT IN (SELECT patient FROM contrary WHERE section = 'findings') THEN false END AS answer
FROM person LEFT JOIN near USING (patient) GROUP BY patient;

-- criterion: considerable_glucocorticoid_dose
-- At least 7.5 mg of prednisone a day, other drugs in its equivalent. Doses by weight are left to others: such a patient has no row.
CREATE OR REPLACE VIEW glucocorticoid_dose AS
WITH worth(drug, factor) AS (
    VALUES ('prednisone', 1.0), ('prednisolone', 1.0), ('methylprednisolone', 1.25), ('triamcinolone', 1.25), ('hydrocortisone', 0.25),
           ('cortisone', 0.2), ('dexamethasone', 20 / 3), ('betamethasone', 25 / 3), ('deflazacort', 5 / 6)
), entry AS (
    SELECT t.patient, factor, dose, first_day(start) AS lo,
           CASE WHEN "end" = 'ongoing' THEN true WHEN "end" IS NULL THEN NULL WHEN last_day_of("end") < getvariable('day') THEN false
                WHEN first_day("end") >= getvariable('day') THEN true END AS taken_now,
           coalesce(last_day_of(CASE WHEN "end" <> 'ongoing' THEN "end" END) < lo, false)
               OR coalesce(last_day_of(start) < born_lo, false) OR coalesce(lo > died_hi, false)
               OR coalesce(first_day(CASE WHEN "end" <> 'ongoing' THEN "end" END) > died_hi, false) AS contrary
    FROM therapies t JOIN worth USING (drug) JOIN person USING (patient)
    WHERE taken AND NOT planned AND coalesce(route NOT IN ('topical', 'inhaled', 'intra_articular', 'intravitreal'), true)
), now AS (
    SELECT *, CASE WHEN dose LIKE '% mg/d' THEN split_part(dose, ' ', 1)::DOUBLE * factor END AS daily
    FROM entry WHERE NOT contrary AND coalesce(lo <= getvariable('day'), true) AND coalesce(taken_now, true)
), summed AS (
    SELECT patient, coalesce(sum(daily) FILTER (taken_now), 0) AS least_dose, sum(daily) AS most, bool_or(dose IS NULL) AS open,
           bool_or(dose NOT LIKE '% mg/d') AS by_weight
    FROM now GROUP BY patient
)
SELECT patient, CASE WHEN coalesce(least_dose, 0) >= 7.5 THEN true
                     WHEN list_has_any(complete, ['therapies', 'glucocorticoid']) AND NOT coalesce(open, false)
                          AND patient NOT IN (SELECT patient FROM contrary WHERE section = 'therapies') AND coalesce(most, 0) < 7.5 THEN false END AS answer
FROM person LEFT JOIN summed USING (patient) WHERE NOT coalesce(by_weight, false);
