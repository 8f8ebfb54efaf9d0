/* 95-report-page.sql
 *
 * The frame of hubspot_report(): head, style, figures, foot.
 */

/* Two sets of colours, each with a contrast of at least 4.5 for texts; below 40 em the columns of a summary stand below each other. */
CREATE FUNCTION hubspot.report_style() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT '
:root { color-scheme: light dark; --page: #f5f4f0; --card: #fffefb; --ink: #1d1f22; --soft: #5d6168; --line: #e0ddd4; --track: #e7e4db;
	--bar: #3a6a96; --good: #1e7145; --calm: #3a6a96; --warn: #8a5700; --bad: #b3261e; --todo: #f0f3f6 }
@media (prefers-color-scheme: dark) { :root { --page: #141619; --card: #1c1f23; --ink: #e6e7e9; --soft: #a3a8b0; --line: #31353b; --track: #2c3036;
	--bar: #79abd6; --good: #72c796; --calm: #79abd6; --warn: #dfb155; --bad: #ff8d80; --todo: #23282e } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
	font-variant-numeric: tabular-nums lining-nums; overflow-wrap: anywhere; -webkit-text-size-adjust: 100% }
main { max-width: 70rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem }
h1 { font-size: 1.75rem; line-height: 1.2; font-weight: 650; letter-spacing: -.015em; margin: 0 }
h2 { font-size: 1.0625rem; font-weight: 650; margin: 2.75rem 0 .75rem }
p { margin: 0 }
.soft, .note, .of, footer { color: var(--soft) }
.note { margin-bottom: .75rem }
header .soft { margin-top: .35rem }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); margin-top: 1.5rem; background: var(--card);
	border: 1px solid var(--line); border-radius: 8px; overflow: hidden }
.figures div { padding: .9rem 1.1rem; box-shadow: 0 0 0 .5px var(--line) }
.figures b { display: block; font-size: 1.5rem; line-height: 1.25; font-weight: 600; letter-spacing: -.01em }
.figures div > span { color: var(--soft); font-size: .875rem }
.card, ol { background: var(--card); border: 1px solid var(--line); border-radius: 8px }
.card + .card { margin-top: .5rem }
.state { white-space: nowrap; font-weight: 600 }
.good { color: var(--good) } .calm { color: var(--calm) } .warn { color: var(--warn) } .bad { color: var(--bad) }
.card > summary { display: grid; grid-template-columns: minmax(8rem, 1fr) 9.5rem 18rem 7.5rem 14.5rem; gap: .25rem 1.25rem;
	align-items: center; padding: .7rem 1.1rem; cursor: pointer; list-style: none }
summary { cursor: pointer } .card > summary::-webkit-details-marker { display: none }
summary:hover .name { text-decoration: underline }
summary .name { font-weight: 650 } summary .name::before { content: ""; display: inline-block; margin: 0 .6em .1em 0; border: .3em solid transparent;
	border-left-color: var(--soft); border-right-width: 0; transition: transform .1s }
details[open] > summary .name::before { transform: rotate(90deg) }
.card[open] > summary { border-bottom: 1px solid var(--line) }
.day { display: flex; align-items: center; gap: .75rem }
.queue { text-align: right }
.of { font-size: .875rem; white-space: nowrap }
.spark { display: block; width: 6rem; height: 1.5rem; flex: none; fill: var(--bar) }
.meter { display: inline-block; width: 6rem; height: .5rem; border-radius: 4px; background: var(--track); overflow: hidden; vertical-align: baseline; margin-right: .5rem; font-size: 0 }
.meter > span { display: block; height: 100%; background: currentColor; border-radius: 4px }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); gap: 1.25rem 2rem; padding: 1.1rem 1.1rem .25rem }
figure { margin: 0; min-width: 0 }
figcaption { min-height: 3em; font-size: .875rem; margin-bottom: .5rem } figcaption b { font-weight: 650 } figcaption span { color: var(--soft) }
.plot { position: relative; padding-left: 4.25rem; height: 8.5rem }
.plot svg { display: block; width: 100%; height: 100%; overflow: visible; fill: var(--bar) }
.plot > span { position: absolute; left: 0; width: 3.75rem; text-align: right; font-size: .8125rem; line-height: 1; color: var(--soft); transform: translateY(-50%) }
.plot .top { top: 0 } .plot .half { top: 46.3% } .plot .zero { top: 92.6% }
.grid, .axis, .bound { fill: none; stroke: var(--line); vector-effect: non-scaling-stroke } .axis { stroke: var(--soft) }
.bound { stroke: var(--warn); stroke-width: 1.5px; stroke-dasharray: 5 4 }
.hit { fill: transparent } g:hover .hit { fill: var(--track) } rect.bad { fill: var(--bad) }
.hours { position: relative; margin-left: 4.25rem; height: 1.5rem; font-size: .8125rem; color: var(--soft) }
.hours span { position: absolute; top: .25rem } .hours .now { right: 0 }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; overflow-wrap: normal }
th, td { padding: .5rem .6rem; text-align: left; font-weight: 400; border-top: 1px solid var(--line); vertical-align: middle; unicode-bidi: isolate }
th:first-child, td:first-child { padding-left: 1.1rem } th:last-child, td:last-child { padding-right: 1.1rem }
tbody th { font-weight: 600; min-width: 9rem; overflow-wrap: anywhere }
thead th { border-top: 0; font-size: .8125rem; color: var(--soft); white-space: nowrap }
.n { text-align: right; white-space: nowrap } .wide { white-space: nowrap }
.why > td { border-top: 0; padding-top: 0; color: var(--soft); font-size: .875rem; overflow-wrap: anywhere }
.why table { margin-top: .4rem; width: auto; min-width: 60%; background: var(--page); border-radius: 6px } .why table td { color: var(--ink); padding-top: .25rem; padding-bottom: .25rem }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: .75rem 2rem; margin: 0; padding: .9rem 1.1rem 1.1rem; border-top: 1px solid var(--line) }
dl:empty { display: none } dt { font-size: .8125rem; color: var(--soft) } dd { margin: 0 }
ol { list-style: none; margin: 0; padding: 0 1.1rem } li { padding: .9rem 0; unicode-bidi: isolate } li + li { border-top: 1px solid var(--line) }
#problems ol { border-left: 4px solid var(--bad) }
.todo { color: var(--soft); margin-top: .2rem } .todo::before { content: "What to do: "; font-weight: 600 }
blockquote { margin: .3rem 0; padding-left: .8rem; border-left: 2px solid var(--line); font-size: .9375rem }
.empty { padding: 1.1rem; color: var(--soft) }
pre { margin: .75rem 0 0; padding: .7rem .9rem; background: var(--page); border-radius: 6px; color: var(--ink); white-space: pre-wrap }
code, pre { font: .875em/1.5 ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace }
footer { margin-top: 3rem; font-size: .875rem }
@media (max-width: 60rem) { .card > summary { grid-template-columns: 1fr auto } summary .day, summary .budget { grid-column: 1 / -1 } .queue { text-align: left; grid-column: 1 / -1 } }
@media (max-width: 40rem) { main { padding: 1.5rem 1rem 3rem } .charts { grid-template-columns: 1fr } }
@media print { details > *, details { break-inside: avoid } body { background: none } }
';
END;
COMMENT ON FUNCTION hubspot.report_style() IS 'the style sheet of hubspot_report(), for light and dark, wide and narrow';

CREATE FUNCTION @extschema@.hubspot_report() RETURNS text
LANGUAGE sql VOLATILE
SET jit = off
BEGIN ATOMIC
	SELECT '<!DOCTYPE html>' || chr(10)
		|| hubspot.html('<html lang="en"><head><meta charset="%s"/>', CASE pg_client_encoding() WHEN 'SQL_ASCII' THEN 'utf-8' WHEN 'UTF8' THEN 'utf-8'
			ELSE regexp_replace(regexp_replace(lower(pg_client_encoding()), '^win', 'windows-'), '^latin', 'iso-8859-') END)
		/* no script runs here, whatever gets in */
		|| '<meta http-equiv="Content-Security-Policy" content="default-src ''none''; style-src ''unsafe-inline''"/>'
		|| '<meta name="viewport" content="width=device-width, initial-scale=1"/><meta name="robots" content="noindex"/>'
		|| hubspot.html('<title>HubSpot delivery: %s</title>', current_database()) || '<style>' || hubspot.report_style() || '</style></head><body><main><header>'
		|| hubspot.html('<h1>HubSpot delivery from %s</h1>', current_database())
		|| hubspot.html('<p class="soft">As of %s, as %s may see it</p>', to_char(statement_timestamp(), 'FMDay, FMDD FMMonth YYYY, HH24:MI:SS TZ'), current_user)
		|| '<div class="figures"><div><b>'
		|| CASE WHEN p.problems = 0 THEN hubspot.html_state('All is well', 'good')
			ELSE hubspot.html_state(format('%s %s', p.problems, CASE p.problems WHEN 1 THEN 'problem' ELSE 'problems' END), 'bad') END
		|| '</b><span>' || CASE WHEN p.problems = 0 THEN 'hubspot_health() is empty' ELSE 'with what to do, below' END || '</span></div>'
		|| hubspot.html('<div><b>%s</b><span>records sent in 24 hours</span></div>', hubspot.grouped(a.records))
		|| hubspot.html('<div><b>%s</b><span>%s</span></div>', hubspot.grouped(a.waiting),
			CASE WHEN a.eta IS NULL THEN 'rows waiting' ELSE 'rows waiting, ' || hubspot.span_in_words(a.eta) || ' left' END)
		|| hubspot.html('<div><b>%s</b><span>of %s requests failed in 24 hours</span></div>', hubspot.grouped(a.failed), hubspot.grouped(a.requests))
		|| hubspot.html('<div><b>%s</b><span>%srows did not arrive in 24 hours</span></div>', hubspot.grouped(f.failures), CASE WHEN f.failures >= 2000 THEN 'and more ' END)
		|| '</div></header>' || p.page || a.page || coalesce(hubspot.report_backfills(), '') || hubspot.report_definitions() || f.page
		|| hubspot.html('<footer><p>Times are in the time zone %s. <code>SELECT hubspot_report()</code> makes this page anew; it holds no token and asks nobody.</p></footer>',
			current_setting('TimeZone'))
		|| '</main></body></html>'
	FROM hubspot.report_problems() p, hubspot.report_accounts() a, hubspot.report_failures() f;
END;
COMMENT ON FUNCTION @extschema@.hubspot_report() IS
'one page of HTML about accounts, lanes, throughput and budget of the last day, back-fills, definitions and failures, for people: psql -qAt -c ''SELECT hubspot_report()'' > report.html.  Complete in itself, without scripts; it shows what the caller may see';
