# What people and programs watch with: hubspot_report() is well-formed whatever
# names and messages say, shows to each what is his, and counts the day as it was.
use strict;
use warnings;

use HTTP::Tiny;
use IPC::Run;
use JSON::PP;
use POSIX ();

use HubSpotTest;
use PostgreSQL::Test::Utils qw(command_ok);
use Test::More;

my $sim = start_simulator();
my $node = hubspot_cluster('monitoring');
my $evil = q{<b onload="x()">&lt;' "};
(my $database = $evil) =~ s/"/""/g;    # as an identifier is quoted
$node->safe_psql('postgres', qq{CREATE DATABASE "$database"; CREATE ROLE watcher IN ROLE pg_monitor; CREATE ROLE stranger; CREATE ROLE "$database" IN ROLE pg_monitor});
sub ask { return $node->safe_psql('postgres', shift) }

# A real parser judges what is well-formed: PostgreSQL's, where it was built with one.
my $has_xml = $node->safe_psql('postgres', q{SELECT setting FROM pg_config WHERE name = 'CONFIGURE'}) =~ /--with-libxml/;

sub page_as { my ($role) = @_; return ask(qq{SET ROLE $role; SELECT hubspot_report()}) }

# A page is long: what is missing in it is named without it.
sub says { my ($page, $what, $name) = @_; return ok($page =~ $what, $name) }
sub says_not { my ($page, $what, $name) = @_; return ok($page !~ $what, $name) }

my @elements = qw(b blockquote body code dd details div dl dt figcaption figure footer g h1 h2 head header html li main meta ol p path pre rect section span style summary svg table tbody td th thead title tr);

subtest 'no account' => sub {
	$node->safe_psql($evil, 'CREATE EXTENSION hubspot');
	my $page = $node->safe_psql($evil, 'SET ROLE watcher; SELECT hubspot_report()');
	says($page, qr/<title>[^<]*&lt;b onload/, 'the name of a database is a text');
	says($page, qr/No account is defined.*CREATE SERVER crm/s, 'what to do first is said');
	says($page, qr/Nothing is declared/, '... and what comes next');
	says($page, qr/Nothing failed in the last 24 hours/, 'nothing failed');
	is($node->safe_psql($evil, 'SET ROLE watcher; SELECT hubspot_report()::xml IS DOCUMENT'), 't', 'it is well-formed') if $has_xml;
};

subtest 'hostile names and messages' => sub {
	create_account($node, 'postgres', qq{"$database"}, $sim);
	create_account($node, 'postgres', 'second', $sim);
	ask(qq{CREATE TABLE people (id int PRIMARY KEY, email text); INSERT INTO people SELECT n, 'p' || n || '\@example.com' FROM generate_series(1, 20) n});
	my $text = $evil =~ s/'/''/gr;
	$sim->fault(match => { path => 'batch/upsert' }, times => 0, action => 'status', status => 400,
		body => { status => 'error', category => 'VALIDATION_ERROR', message => "zecret $evil", correlationId => 'c' });
	ask(qq{SELECT hubspot_sync('$text', 'people', mapping => '{"email": "email"}', server => '$text')});
	wait_until(sub { ask(q{SELECT count(*) FROM hubspot.outbox WHERE source = 'sync'}) == 20 }, 'the back-fill');
	ask(qq{SELECT hubspot_identify('{"userId": "zecret-key\@example.com"}', 'second')});
	wait_drained($node, 'postgres');
	$sim->clear_faults;
	ask(qq{SELECT hubspot_pause('$text', 'contacts', 'because $text'); SELECT hubspot_pause('second', 'lists', '</style></title><script>')});
	wait_until(sub { ask(q{SELECT count(*) FROM hubspot.status WHERE state = 'PAUSED'}) >= 1 }, 'the pause');
	for my $role ('postgres', 'watcher', qq{"$database"})
	{
		my $page = page_as($role);
		says_not($page, qr/onload="|<script/, "$role: nothing of a name is markup");
		says_not($page, qr/\Q$HubSpotTest::token\E/, '... no token');
		says($page, qr/&lt;b onload=&quot;x\(\)&quot;&gt;&amp;lt;&#39; &quot;/, '... the name is there');
		is($page =~ /zecret-key/ ? 1 : 0, 0, '... no key');
		is($page =~ /zecret &lt;b/ ? 1 : 0, $role eq 'postgres' ? 1 : 0, '... HubSpot\'s message is for those who may read texts');
		says($page, qr/is paused: by .*because/, '... nor is a reason');
		# in what is well-formed, each < begins an element
		is(ask(qq{SET ROLE $role; SELECT hubspot_report()::xml IS DOCUMENT}), 't', '... it is well-formed') if $has_xml;
		my %tags = map { $_ => 1 } $page =~ /<(\w+)/g;
		delete @tags{@elements};
		is(join(' ', sort keys %tags), '', '... without elements but ours');
		my @acting = grep { /\s(?:on\w+|href|src|action)\s*=/i } $page =~ /<\w+[^>]*>/g;
		is("@acting", '', '... and no attribute acts');
	}
	says(page_as('watcher'), qr/<td>email<\/td><td>email<\/td><td>all with a value<\/td><td class="n">20<\/td><td class="n">0<\/td>/, 'a definition\'s contract is there, and not kept');
	my ($status, undef, $error) = $node->psql('postgres', 'SET ROLE stranger; SELECT hubspot_report()');
	like($error, qr/permission denied for function hubspot_report/, 'for a stranger there is none');
	says($node->safe_psql('postgres', 'SET client_encoding = LATIN1; SELECT hubspot_report()'), qr/<meta charset="iso-8859-1"/, 'the page names its encoding');
};

sub file { my ($name) = @_; open my $in, '<:raw', $name or die "$name: $!"; local $/; return <$in> }

sub in_path { my ($program) = @_; return (grep { -x } map { "$_/$program" } split /:/, $ENV{PATH})[0] }

# Names of metrics in a text, as Prometheus has them: a histogram by its own name.
sub metrics_in { my ($text) = @_; return sort keys %{ { map { s/_(?:bucket|sum|count)$//r => 1 } $text =~ /\b(hubspot_(?:health|worker|lane|budget|rows|requests?|definition|backfill)_\w*\w)\b/g } } }

my $dashboard = JSON::PP->new->decode(file('docs/monitoring/dashboard.json'));
my @expressions = map { $_->{expr} } map { @{ $_->{targets} // [] } } @{ $dashboard->{panels} };

subtest 'the dashboard' => sub {
	my (%ids, @wrong, %taken);
	my %variables = map { $_->{name} => 1 } @{ $dashboard->{templating}{list} };
	cmp_ok($dashboard->{schemaVersion}, '>=', 36, 'its schema is one that Grafana migrates from');
	cmp_ok(scalar(@expressions), '>', 15, 'it asks');
	for my $panel (@{ $dashboard->{panels} })
	{
		my ($title, $place) = @$panel{qw(title gridPos)};
		push @wrong, "$title: id $panel->{id} is there twice" if $ids{ $panel->{id} }++;
		push @wrong, "$title: leaves the grid of 24 columns" if $place->{x} + $place->{w} > 24;
		for my $x ($place->{x} .. $place->{x} + $place->{w} - 1)
		{
			for my $y ($place->{y} .. $place->{y} + $place->{h} - 1) { push @wrong, "$title: lies upon $taken{$x, $y}" if $taken{ $x, $y }; $taken{ $x, $y } = $title }
		}
		next if $panel->{type} eq 'row';
		push @wrong, "$title: does not say what it is" if !$panel->{description};
		push @wrong, "$title: another data source" if grep { ($_->{datasource}{uid} // '') ne '${datasource}' } $panel, @{ $panel->{targets} };
		push @wrong, map { "$title: no variable $_" } grep { !$variables{$_} && !/^__/ } map { /\$\{?(\w+)/g } map { $_->{expr} } @{ $panel->{targets} };
	}
	is(join("\n", @wrong), '', 'its panels are whole');
};

subtest 'rules and expressions' => sub {
	my $promtool = in_path('promtool') or plan skip_all => 'there is no promtool';
	my $rules = PostgreSQL::Test::Utils::tempdir() . '/dashboard.yaml';
	open my $out, '>', $rules or die "$rules: $!";
	my $n = 0;
	print $out "groups:\n - name: dashboard\n   rules:\n", map { $n++; my $e = s/\$__rate_interval/5m/gr =~ s/\$\w+/.*/gr =~ s/'/''/gr; "    - record: expression_$n\n      expr: '$e'\n" } @expressions;
	close $out;
	command_ok([ $promtool, 'check', 'rules', 'docs/monitoring/alerts.yaml' ], 'promtool takes the alert rules');
	command_ok([ $promtool, 'check', 'rules', $rules ], '... and each expression of the dashboard');
};

# The real Prometheus, where there is one, scrapes the exporter: each expression of the dashboard and of the
# rules has an answer, and each rule can be evaluated.
sub ask_prometheus
{
	my ($exporter) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir();
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $json = JSON::PP->new;
	my $api = sub {
		my ($path, %arguments) = @_;
		my $http = HTTP::Tiny->new(timeout => 30);
		my $answer = $http->get("http://127.0.0.1:$port/api/v1/$path?" . $http->www_form_urlencode(\%arguments));
		return $answer->{success} ? $json->decode($answer->{content})->{data} : {};
	};
	open my $out, '>', "$directory/prometheus.yaml" or die "prometheus.yaml: $!";
	print $out "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: ['" . POSIX::getcwd() . "/docs/monitoring/alerts.yaml']\n"
	  . "scrape_configs: [{job_name: hubspot, static_configs: [{targets: ['127.0.0.1:$exporter']}]}]\n";
	close $out;
	my $run = IPC::Run::start([ in_path('prometheus'), "--config.file=$directory/prometheus.yaml", "--storage.tsdb.path=$directory/data", "--web.listen-address=127.0.0.1:$port" ],
		'<', \undef, '>', "$directory/out", '2>', "$directory/err");
	for my $expression (@expressions)
	{
		my $asked = $expression =~ s/\$__rate_interval/5m/gr =~ s/\$\w+/.*/gr;
		wait_until(sub { @{ $api->('query', query => $asked)->{result} // [] } > 0 }, "an answer of Prometheus to $asked");
	}
	pass('Prometheus has an answer to each expression of the dashboard');
	my @rules;
	wait_until(sub { @rules = map { @{ $_->{rules} } } @{ $api->('rules')->{groups} // [] }; @rules && !grep { $_->{health} eq 'unknown' } @rules }, 'Prometheus to evaluate the rules');
	is(join(' ', map { "$_->{name}: $_->{lastError}" } grep { $_->{health} ne 'ok' } @rules), '', '... and evaluates each alert rule');
	is(join(' ', grep { my $name = $_; !grep { $_->{name} eq $name && $_->{state} ne 'inactive' } @rules } qw(HubspotProblem HubspotLaneStopped)), '', '... of which those begin that have a reason');
	return $run->kill_kill;
}

subtest 'the exporter' => sub {
	my $exporter = in_path('prometheus-postgres-exporter') or plan skip_all => 'there is no prometheus-postgres-exporter';
	# all that it asks by itself is left out, whichever that is in its version
	my @without = map { "--no-collector.$_" } `$exporter --help 2>&1` =~ /^\s+--collector\.(\w+)\s/mg;
	ask('ALTER ROLE watcher LOGIN; CREATE TABLE many AS SELECT n AS id, \'m\' || n || \'@example.com\' AS email FROM generate_series(1, 20000) n; ALTER TABLE many ADD PRIMARY KEY (id)');
	# an answer tells the budget
	ask(q{SELECT hubspot_identify('{"userId": "one@example.com"}', 'second')});
	wait_until(sub { ask(q{SELECT count(*) FROM hubspot.rate_limits WHERE server = 'second' AND lane = 'contacts' AND burst_limit IS NOT NULL AND daily_limit IS NOT NULL AND daily_remaining IS NOT NULL}) eq '1' }, 'the budget');
	# a back-fill that goes on: no contact is sent
	ask(q{SELECT hubspot_pause('second', 'contacts'); SELECT hubspot_sync('many', 'many', mapping => '{"email": "email"}', server => 'second')});
	wait_until(sub { ask(q{SELECT count(*) FROM hubspot.backfills WHERE finished_at IS NULL AND rows_read > 0}) eq '1' }, 'the back-fill');
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $log = PostgreSQL::Test::Utils::tempdir() . '/exporter.log';
	local $ENV{DATA_SOURCE_NAME} = sprintf 'host=%s port=%s user=watcher sslmode=disable dbname=postgres', $node->host, $node->port;
	my $run = IPC::Run::start([ $exporter, '--disable-default-metrics', '--disable-settings-metrics', @without,
			'--extend.query-path=docs/monitoring/queries.yaml', "--web.listen-address=127.0.0.1:$port" ], '<', \undef, '>', $log, '2>', "$log.2");
	my $page = '';
	wait_until(sub { $page = HTTP::Tiny->new(timeout => 60)->get("http://127.0.0.1:$port/metrics")->{content}; $page =~ /^pg_exporter_last_scrape_error/m }, 'the exporter');
	my %value = map { /^(hubspot_\w+)(\{.*\}) (\S+)$/ ? ("$1$2" => $3) : () } split /\n/, $page;
	like($page, qr/^pg_exporter_last_scrape_error 0$/m, 'each query works') or diag file("$log.2");
	my %exported = map { $_ => 1 } metrics_in(join ' ', map { /^(\w+)/ } keys %value);
	cmp_ok(scalar(keys %exported), '>', 30, 'metrics are exported');
	for my $user ('alerts.yaml', 'dashboard.json')
	{
		is(join(' ', grep { !$exported{$_} } metrics_in(file("docs/monitoring/$user"))), '', "all that $user names are there");
	}
	my ($table) = file('docs/monitoring/README.md') =~ /^## Metrics\n(.*?)^## /ms;
	my %documented;
	for my $cell ($table =~ /^\| (`hubspot.*?) \|/mg)
	{
		my ($first, @more) = $cell =~ /`(\w+)`/g;
		$documented{$first} = 1;
		$documented{ (grep { index($first, $_) == 0 } qw(hubspot_health hubspot_worker hubspot_lane hubspot_budget hubspot_rows hubspot_requests hubspot_definition hubspot_backfill))[0] . $_ } = 1 for @more;
	}
	is(join(' ', sort keys %documented), join(' ', sort keys %exported), 'the page names all of them, and no other');
	my $sum = sub { my ($name, $labels) = @_; my $sum = 0; for (keys %value) { $sum += $value{$_} if /^\Q$name\E\{/ && /$labels/ } return $sum };
	is($sum->('hubspot_rows_total', 'outcome="failed"'), ask(q{SELECT sum(rows) FROM hubspot.statistics WHERE verdict = 'rejected'}), 'rows that failed are counted as such');
	is($sum->('hubspot_requests_total', ''), ask('SELECT sum(requests) FROM hubspot.request_statistics'), '... and requests');
	is($sum->('hubspot_request_duration_seconds_bucket', 'le="\+Inf"'), $sum->('hubspot_request_duration_seconds_count', ''), 'the histogram is whole');
	is($sum->('hubspot_lane_healthy', 'account="second".*lane="contacts"'), 0, 'a lane that is paused needs somebody');
	ok((grep { /account="<b onload=\\"x\(\)\\">&lt;' \\""/ } keys %value), 'an account is labelled by its name, whatever that is');
	ask_prometheus($port) if in_path('prometheus');
	$run->kill_kill;
};

subtest 'the day' => sub {
	ask(q{SELECT hubspot_pause('second'); SELECT hubspot_pause(srvname) FROM pg_foreign_server});
	# Two generations; the first of them with what is older than a day.  The hours are counted from what was inserted.
	ask(q{TRUNCATE hubspot.request;
		SELECT setval('hubspot.request_id_seq', 3000020000);
		INSERT INTO hubspot.request (id, server, started_at, duration_ms, records, bytes_sent, bytes_received, status, method, path, lane)
		SELECT CASE WHEN n <= 30000 THEN 2000000000 ELSE 3000000000 - 30000 END + n, (SELECT oid FROM pg_foreign_server WHERE srvname = 'second'),
			now() - (50000 - n) * interval '3 seconds', 100, 1 + n % 100, 10, 10, CASE WHEN n % 100 = 0 THEN 503 WHEN n % 101 = 0 THEN NULL ELSE 200 END, 'POST', '/', 'contacts'
		FROM generate_series(1, 50000) n});
	my $truth = q{SELECT floor(extract(epoch FROM date_trunc('hour', statement_timestamp()) + interval '1 hour' - started_at) / 3600) AS hours_ago, count(*), sum(records),
		count(*) FILTER (WHERE status IS NULL OR status >= 400) FROM hubspot.request WHERE started_at >= date_trunc('hour', statement_timestamp()) - interval '23 hours' GROUP BY 1};
	my $wrong = sub {
		my ($bar) = @_;
		return ask("SELECT count(*) FROM (SELECT hours_ago, sum(requests) AS requests, sum(records) AS records, sum(failed) AS failed FROM hubspot.request_hours() GROUP BY 1) h
			FULL JOIN ($truth) t(hours_ago, requests, records, failed) USING (hours_ago)
			WHERE NOT (abs(coalesce(h.requests, 0) - t.requests) <= $bar AND abs(coalesce(h.records, 0) - t.records) <= 100 * $bar AND abs(coalesce(h.failed, 0) - t.failed) <= $bar)");
	};
	is($wrong->(0), '0', 'each hour is counted');
	is(ask('SELECT min(hours_ago) || max(hours_ago)::text || min(share_read) FROM hubspot.request_hours()'), '0231', '... all 24 of them, from all requests');
	says(page_as('watcher'), qr/Records sent per hour.*failed, in the hours marked below the axis/s, 'the page shows it');
	ask(q{INSERT INTO hubspot.request SELECT 4000000000 + row_number() OVER (ORDER BY q.id, n), server, started_at, duration_ms, records, bytes_sent, bytes_received, status, retry_after, method, path, lane
		FROM hubspot.request q, generate_series(1, 2) n; DELETE FROM hubspot.request WHERE id < 4000000000});
	# 2,400 an hour, of which blocks of 100 are read
	is($wrong->(300), '0', 'of very many requests a sample is counted, near the truth');
	cmp_ok(ask('SELECT count(*) FROM hubspot.requests_of_day()'), '<=', 50000, '... of some ten thousand');
	says(page_as('watcher'), qr/estimated/, '... and the page says so');
};

subtest 'remedies' => sub {
	my ($table) = file('docs/reference-settings.md') =~ /^## Categories\n(.*?)^## /ms;
	my %verdict_of = $table =~ /^\| `(\w+)` \| `(\w+)`/mg;
	cmp_ok(scalar(keys %verdict_of), '>', 15, 'there are categories');
	my %fails = map { $_ => 1 } split /\n/, ask(q{SELECT unnest(hubspot.verdicts_with('failed'))});
	my @without = grep { $fails{ $verdict_of{$_} } && ask("SELECT hubspot.failure_remedy('$verdict_of{$_}', '$_')") =~ /HubSpot's word/ } sort keys %verdict_of;
	is("@without", '', 'each category of ours with which a row fails has a remedy of its own');
	like(ask(q{SELECT hubspot.failure_remedy('rejected', NULL)}), qr/hubspot_retry\(verdict => 'rejected'\)/, '... and so has what has none');
};

done_testing();
