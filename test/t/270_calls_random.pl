# Random mixes of calls from several sessions, while HubSpot misbehaves and the
# worker is stopped or killed: when all is mended HubSpot ends as a model of the
# calls does, with nothing lost, doubled or out of order.
#
# SEED repeats a run's choices (not its timing), ROUNDS and CALLS (of a session in
# a round) change its size.  CREATES=1 also loses answers to the creation of
# companies by domain, and interrupts it; each time costs half a minute.  MIXED=1
# names a contact now by its address, now by its userId.  UNCHANGED=1 has accounts that
# send only what changed, and calls that often change nothing; 271 is that.
use strict;
use warnings;

use JSON::PP ();
use POSIX ();

use HubSpotTest qw(:DEFAULT try_ask);
use Test::More;
use PostgreSQL::Test::Utils;

my $seed = $ENV{SEED} // 20261124;
my $rounds = $ENV{ROUNDS} // 8;
my $calls = $ENV{CALLS} // 60;
my $writers = 3;
my $lost_creates = $ENV{CREATES} // 0;
my $mixed = $ENV{MIXED} // 0;
my $unchanged = $ENV{UNCHANGED} // 0;
my $json = JSON::PP->new->canonical->allow_nonref;

$SIG{PIPE} = 'IGNORE';
srand $seed;
note "SEED=$seed";

my $sim = start_simulator(config => { burst_limit => 100000, association_limit => 0, search_limit => 0, latency_ms => 3, latency_jitter_ms => 20 });
my $node = hubspot_cluster('calls', conf => join "\n", 'restart_after_crash = on', "hubspot.timeout = '3s'", 'log_statement = none',
	'hubspot.window_rows = ' . (rand() < 0.3 ? 100 : 100_000));

sub ask { return $node->safe_psql('postgres', shift) }

#
# The accounts, which share one portal, and what is there already
#
# crm: companies by domain; keyed: by a property; own: contacts by one, too
my @servers = qw(crm keyed own);
$sim->add_property($_->[0], name => $_->[1], type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true)
  for [ companies => 'segment_group_id' ], [ contacts => 'user_id' ];
my @rooms = qw(attic bath cellar den);
$sim->add_property($_, name => 'rooms', type => 'enumeration', fieldType => 'checkbox',
	options => [ map { { value => $_, label => $_, displayOrder => 0, hidden => JSON::PP::false } } @rooms ])
  for qw(contacts companies);
my %options = $unchanged ? (skip_unchanged => 'on') : ();
create_account($node, 'postgres', 'crm', $sim, %options);
create_account($node, 'postgres', 'keyed', $sim, %options, company_id_property => 'segment_group_id');
create_account($node, 'postgres', 'own', $sim, %options, contact_id_property => 'user_id', company_id_property => 'segment_group_id');
ask(q{SELECT hubspot_create_event('thing', '{"n": "string"}', 'Thing', 'crm')});
wait_drained($node, 'postgres');
ask("SELECT hubspot_refresh_schema('$_')") for @servers;
wait_drained($node, 'postgres');

# Every other company and contact that a key may adopt
for my $writer (0 .. $writers - 1)
{
	for my $i (0, 2)
	{
		$sim->api('POST', '/crm/v3/objects/companies', { properties => { name => 'theirs', domain => "keyed$writer-$i.com" } });
		$sim->api('POST', '/crm/v3/objects/contacts', { properties => { email => "own$writer-$i\@example.com", state => 'theirs' } });
	}
}

# A call and what was called, or neither
ask(q{
	CREATE TABLE calls (id bigint PRIMARY KEY, round int, stopped bool, call text, server text, message jsonb);
	CREATE FUNCTION call(round int, stopped bool, call text, server text, message jsonb) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		queued bigint;
	BEGIN
		EXECUTE format('SELECT hubspot_%s($1, $2)', call) INTO queued USING message, server;
		INSERT INTO calls VALUES (queued, round, stopped, call, server, message);
	END $$});

#
# Calls.  A writer is the only one that writes a record, or a property of a shared one,
# so that the order of its calls is the order of those values.
#
my @stages = qw(subscriber lead opportunity customer);
my $number = 0;

sub one_of { return $_[ rand @_ ] }

sub value { return rand() < 0.08 ? undef : 'v' . ($unchanged ? int rand 3 : ++$number) }

# Some options, which more often than not are added to those that are there.
sub some_rooms { return rand() < 0.1 ? undef : (rand() < 0.7 ? ';' : '') . join ';', one_of(@rooms), grep { rand() < 0.2 } @rooms }

sub some_name { return 'n' . ($unchanged ? int rand 3 : ++$number) }

# A contact: how it is named, its address, its userId, by which of the two a group call and a track call go.
sub some_contact
{
	my ($writer, $server) = @_;
	my $i = int rand 8;
	return { email => "own$writer-$i\@example.com", userId => "own$writer-$i", style => 'userId' } if $server eq 'own';
	return { email => "$server$writer-$i\@example.com", userId => "$server-u$writer-$i",
		style => $mixed ? one_of('email', 'userId') : $i % 2 ? 'userId' : 'email' };
}

sub contact_traits
{
	my %traits;
	$traits{$_} = value() for grep { rand() < 0.4 } qw(city zip plan state);
	$traits{lifecycleStage} = one_of(@stages) if rand() < 0.25;
	$traits{rooms} = some_rooms() if rand() < 0.3;
	return \%traits;
}

# A company, and the traits that tell its key.
sub some_company
{
	my ($writer, $server, $known) = @_;
	my $i = int rand 6;
	if ($server eq 'crm')
	{
		my @domains = $known ? grep { /^crm$writer-/ } keys %$known : map { "crm$writer-$_.com" } 0 .. 5;
		return (undef) unless @domains;
		my $domain = one_of(@domains);
		return (undef, website => one_of($domain, "https://www.$domain/about", uc "http://$domain"));
	}
	return ("$server$writer-$i", $i % 2 == 0 || rand() < 0.5 ? (website => "$server$writer-$i.com") : ());
}

sub company_traits
{
	my %traits;
	$traits{name} = some_name() if rand() < 0.7;
	$traits{$_} = value() for grep { rand() < 0.4 } qw(plan city description);
	$traits{lifecycleStage} = one_of(@stages) if rand() < 0.15;
	$traits{rooms} = some_rooms() if rand() < 0.3;
	return %traits;
}

# One call: its name, its SERVER, its message; nothing when there is no company that may be named.
sub some_call
{
	my ($writer, $known) = @_;
	my $server = one_of(@servers);
	my $contact = some_contact($writer, $server);
	my $by_id = $server eq 'own' || $contact->{style} eq 'userId';
	my $name = $by_id ? $contact->{userId} : $contact->{email};
	my %envelope = $by_id || rand() < 0.5 ? (userId => $contact->{userId}) : ();
	my $kind = rand;

	if ($kind < 0.32)
	{
		return ('identify', $server, { %envelope, traits => { email => $contact->{email}, %{ contact_traits() } } });
	}
	elsif ($kind < 0.37)
	{
		return ('identify', 'crm', { traits => { email => 'shared' . int(rand 4) . '@example.com', (qw(city zip plan))[$writer] => value() } });
	}
	elsif ($kind < 0.42)
	{
		return ('group', 'keyed', { groupId => 'shared' . int rand 3, traits => { (qw(city plan description))[$writer] => value() } });
	}
	elsif ($kind < 0.75)
	{
		my ($group, %key) = some_company($writer, $server, $known);
		return if !defined $group && !%key;
		my %traits = (%key, company_traits());
		if ($kind < 0.5 && ($mixed || $contact->{style} eq 'email' || $server eq 'own'))
		{
			$traits{id} = $group if defined $group;
			return ('identify', $server, { %envelope, traits => { email => $contact->{email}, %{ contact_traits() }, company => \%traits } });
		}
		my %message = (groupId => $group // 'g' . ++$number, traits => \%traits);
		$message{userId} = $name if rand() < 0.8;
		$message{context}{traits} = { ($server ne 'own' && ($mixed || rand() < 0.5) ? () : (email => $contact->{email})), %{ contact_traits() } }
		  if $message{userId} && ($mixed || !$by_id || $server eq 'own') && rand() < 0.3;
		return ('group', $server, \%message);
	}
	elsif ($kind < 0.92)
	{
		my %message = (event => 'thing', userId => $name, properties => { n => 'e' . ++$number });
		$message{messageId} = "m$number" if rand() < 0.3;
		$message{context}{traits} = { ($server eq 'own' ? (email => $contact->{email}) : ()), %{ contact_traits() } }
		  if rand() < 0.25 && ($mixed || !$by_id || $server eq 'own');
		return ('track', $server, \%message);
	}
	elsif ($kind < 0.95)
	{
		return ('identify', 'crm', { traits => { email => "bad$writer\@example.nosuchtld", city => 'x' } });
	}
	my $i = int rand 3;
	my ($email, $id) = ("gone$writer-$i\@example.com", "gone$writer-$i");
	return ('delete', 'crm', { userId => $mixed ? one_of($email, $id) : $email }) if $kind < 0.965;
	return ('identify', 'crm', { userId => $id, traits => { email => $email, city => value(), zip => value() } }) if $kind < 0.99;
	my ($group, %key) = some_company($writer, 'crm', $known);
	return unless %key;
	return ('group', 'crm', { userId => $email, groupId => 'g', traits => { %key, name => some_name() } });
}

# What a session says: transactions, some of them rolled back, in part or as a whole.
sub transactions
{
	my ($writer, $round, $stopped, $known) = @_;
	my $sql = '';
	my $left = $calls;

	while ($left > 0)
	{
		my $fate = rand;
		$sql .= "BEGIN;\n";
		$sql .= "SET LOCAL synchronous_commit = off;\n" if rand() < 0.3;
		for (1 .. 1 + int rand 8)
		{
			my ($call, $server, $message) = some_call($writer, $known) or next;
			my $text = $json->encode($message);
			my $statement = "SELECT call($round, $stopped, '$call', '$server', '$text');\n";
			$sql .= rand() < 0.05 ? "SAVEPOINT s;\n${statement}ROLLBACK TO s;\n" : $statement;
			$left--;
		}
		$sql .= $fate < 0.07 ? "ROLLBACK;\n" : "COMMIT;\n";
	}
	return $sql;
}

sub start_writer
{
	my ($sql, $name) = @_;
	my $file = $node->basedir . "/$name.sql";
	open my $out, '>', $file or die "$file: $!";
	print $out $sql;
	close $out;
	my $pid = fork // die "fork: $!";
	return $pid if $pid;
	open STDOUT, '>', '/dev/null';
	open STDERR, '>', "$file.err";
	exec 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-v', 'ON_ERROR_STOP=1', '-f', $file or POSIX::_exit(1);
}

#
# Faults
#
my @writes = qw(contacts/batch/upsert contacts/batch/update contacts/batch/archive companies/batch/upsert companies/batch/update);
my @paths = (@writes, qw(contacts/batch/upsert companies/batch/upsert contacts/batch/read companies/search companies/batch/read /associations/ send/batch));
my @clear = (
	{ action => 'delay', ms => 250 },
	{ action => 'html', status => 503 },
	{ action => 'status', status => 423 },
	{ action => 'status', status => 429, headers => { 'Retry-After' => 1 } });
my @unclear = (
	{ action => 'status', status => 500, body => 'no' },
	{ action => 'html', status => 502 },
	{ action => 'reset' },
	{ action => 'reset', after_bytes => 300 },
	{ action => 'drop_before' },
	{ action => 'drop_after' },
	{ action => 'drop_after' },
	{ action => 'truncate' });
# 2xx that say nothing: three of them for one record end it
my @silent = ({ action => 'empty_success' }, { action => 'missing_results' });
my $silent;

# A whole batch is refused, but never a record that is alone
my @refusals = (
	{ action => 'conflict' },
	{ action => 'status', status => 400, body => { status => 'error', category => 'VALIDATION_ERROR', message => 'Invalid input' } });

sub some_fault
{
	my $path = rand() < 0.1 ? 'companies/batch/create' : one_of(@paths);
	my $is_safe = $lost_creates || $path ne 'companies/batch/create';
	my $kind = rand;
	my $fault = $kind < 0.3 || !$is_safe ? one_of(@clear) : $kind < 0.75 ? one_of(@unclear) : $kind < 0.85 ? one_of(@refusals) : { action => 'shuffle' };
	my %match = (path => $path);

	if ($kind > 0.93 && $is_safe && $path !~ /send|read|archive|search/ && $silent++ < 2)
	{
		$sim->fault(match => \%match, %{ one_of(@silent) }, times => 1, skip => int rand 3);
		return;
	}
	$match{record} = '},{' if $kind >= 0.75 && $kind < 0.85;
	return if $match{record} && $path =~ /search/;
	$sim->fault(match => \%match, %$fault, times => 1 + int rand 3, skip => int rand 4);
}

# Pauses of the lanes are cut short; 0 also while the server is down.
sub nothing_waits
{
	my ($where) = @_;
	my $left = try_ask($node, "SELECT pg_reload_conf() FROM hubspot.status WHERE state IN ('BACKOFF', 'UNREACHABLE') LIMIT 1; "
		  . "SELECT count(*) FROM hubspot.backlog WHERE $where");
	return defined $left && $left =~ /^(?:t\n)?0$/;
}

# Rows that wait for somebody to tell whom they mean wait for a day.
my $untold = q{state = 'deferred' AND category = 'contact_not_found'};

sub wait_for_rows
{
	my ($where, $what) = @_;
	$where = "($where) AND NOT ($untold)";
	wait_until(sub { nothing_waits($where) },
		sub { "$what: " . (try_ask($node, "SELECT * FROM hubspot.status; SELECT id, call, object, key, state, message FROM hubspot.backlog WHERE $where LIMIT 20") // 'no server') },
		300);
}

my $created = "server = 'crm' AND object = 'company'";

# Domains whose record will be known after a crash, too.
sub known_domains { return { map { $_ => 1 } split /\n/, ask("SELECT key FROM hubspot.record WHERE key_property = 'domain'") } }

#
# Rounds: delivery goes on, is stopped while calls are queued, or the worker is killed
#
my %done = (plain => 0, stopped => 0, killed => 0);
for my $round (1 .. $rounds)
{
	my $kind = $round == 1 ? 'plain' : one_of(qw(plain stopped killed));
	my $known;

	wait_for_rows($created, 'companies of the round before') if $kind ne 'plain' && !$lost_creates;
	$known = known_domains() if $kind eq 'killed' && !$lost_creates;
	stop_delivery($node) if $kind eq 'stopped';
	some_fault() for 1 .. 1 + int rand 6;

	my $stopped = $kind eq 'stopped' ? 'true' : 'false';
	# one session, whose calls of all keys are in order, or several
	my @who = rand() < 0.3 ? (int rand $writers) : (0 .. $writers - 1);
	my @pids = map { start_writer(transactions($_, $round, $stopped, $known), "round$round-$_") } @who;

	if ($kind eq 'killed')
	{
		my $enough = $sim->stats->{requests} + int rand 12;
		my $worker = try_ask($node, q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'hubspot worker'});
		wait_until(sub { $sim->stats->{requests} >= $enough || nothing_waits("NOT ($untold)") }, "round $round: requests");
		if ($worker)
		{
			kill 'KILL', $worker;
			wait_until(sub { !kill 0, $worker }, 'the worker to be gone');
		}
	}
	waitpid $_, 0 for @pids;
	wait_for_server($node);
	resume_delivery($node) if $kind eq 'stopped';
	if (rand() < 0.4 || $round == $rounds)
	{
		$sim->clear_faults if rand() < 0.5 || $round == $rounds;
		wait_for_rows('true', "round $round, $kind");
		$silent = 0;
	}
	$done{$kind}++;
}
$sim->clear_faults;
wait_for_rows('true', 'the last rows');
# nobody will tell any more
ask("ALTER SERVER $_ OPTIONS (ADD unknown_user_wait '0')") for @servers;
ask("SELECT hubspot_retry(id) FROM hubspot.backlog WHERE $untold");
wait_until(sub { nothing_waits('true') }, 'an end of the rows that nobody has told');
note join ', ', map { "$_: $done{$_}" } sort keys %done;

#
# The model: the calls in their order
#
# A call by a userId that was told later only has waited: HubSpot may have younger values,
# which it leaves alone.
my (%contacts, %companies, %told, %events, @joins, %verdict_of);

sub contact_of { my ($email) = @_; return $contacts{$email} //= { email => $email, properties => {} } }

# The contact that a call means, by its address or by what was told before.
sub contact_named
{
	my ($server, $name) = @_;
	return contact_of($name) if $name =~ /@/;
	return contact_of("$name\@example.com") if $server eq 'own' || $name =~ /^gone/;
	(my $email = $name) =~ s/-u//;
	return contact_of("$email\@example.com");
}

# What a value makes of the one before: options with ";" before them are added.
sub options_after
{
	my ($before, $value) = @_;
	my %seen;
	return $value unless defined $value;
	return join ';', grep { $_ ne '' && !$seen{$_}++ } split /;/, ($value =~ /^;/ ? ($before // '') . ';' : '') . $value;
}

sub set_all
{
	my ($properties, $traits, @names) = @_;
	for my $name (@names)
	{
		next unless exists $traits->{$name};
		$properties->{ lc $name } = $name eq 'rooms' ? options_after($properties->{$name}, $traits->{$name}) : $traits->{$name};
	}
}

# Whether the contact that a call names is known when it is called: before, later or never.
sub told
{
	my ($row, $server, $user_id) = @_;
	return 'before' if $user_id =~ /@/ || $server eq 'own';
	return 'never' unless exists $told{$user_id};
	return $told{$user_id} < $row->{id} ? 'before' : 'later';
}

# A call that makes the contact if it is not there.
sub write_contact
{
	my ($row, $contact, $traits, $told) = @_;
	my @names = qw(city zip plan state lifecycleStage rooms);
	return if ($told // 'before') eq 'never';
	if (($told // 'before') eq 'later')
	{
		push @{ $contact->{older}{ lc $_ } }, $traits->{$_} for grep { exists $traits->{$_} } @names;
		return;
	}
	delete $contact->{older}{ lc $_ } for grep { $_ ne 'rooms' && exists $traits->{$_} && defined $traits->{$_} } @names;
	set_all($contact->{properties}, $traits, @names);
	set_all($contact->{properties}, { company => $traits->{company}{name} }, 'company') if $traits->{company} && exists $traits->{company}{name};
	$contact->{since} //= $row->{id};
	$contact->{bad} = $contact->{email} =~ /nosuchtld/;
}

sub write_company
{
	my ($row, $server, $traits, $id) = @_;
	my $domain = lc($traits->{website} // '');
	$domain =~ s{^https?://(www\.)?}{};
	$domain =~ s{/.*}{};
	my $key = $server eq 'crm' ? $domain : $id;
	my $company = $companies{$key} //= { key => $key, server => $server, properties => {} };
	set_all($company->{properties}, $traits, qw(name plan city description website lifecycleStage rooms));
	$company->{domain} = $domain if $domain ne '';
	return $company;
}

sub join_company
{
	my ($row, $contact, $company, $is_known) = @_;
	push @joins, { row => $row, contact => $contact, company => $company, is_known => $is_known };
}

my @calls = map { my %row; @row{qw(id round stopped call server message)} = split /\|/, $_, 6; $row{message} = $json->decode($row{message}); \%row }
  split /\n/, ask('SELECT * FROM calls ORDER BY id');
for my $row (@calls)
{
	my $user_id = $row->{message}{userId};
	$told{$user_id} //= $row->{id} if $row->{call} eq 'identify' && defined $user_id;
}
for my $row (@calls)
{
	my ($call, $server, $message) = @$row{qw(call server message)};
	my $traits = $message->{traits} // {};
	my $user_id = $message->{userId};

	if ($call eq 'identify')
	{
		my $contact = contact_of($traits->{email});
		write_contact($row, $contact, $traits);
		$contact->{properties}{user_id} = $user_id if $server eq 'own';
		join_company($row, $contact, write_company($row, $server, $traits->{company}, $traits->{company}{id}), 1) if $traits->{company};
	}
	elsif ($call eq 'group')
	{
		my $company = write_company($row, $server, $traits, $message->{groupId});
		next unless defined $user_id;
		my $contact = contact_named($server, $user_id);
		my $more = ($message->{context} // {})->{traits};
		my $told = told($row, $server, $user_id);
		write_contact($row, $contact, $more, $told) if $more && grep { $_ ne 'email' } keys %$more;
		join_company($row, $contact, $company, $told ne 'never');
		$contact->{older_join} = 1 if $told eq 'later';
	}
	elsif ($call eq 'track')
	{
		my $contact = contact_named($server, $user_id);
		my $more = ($message->{context} // {})->{traits} // {};
		my $told = told($row, $server, $user_id);
		$events{ $message->{properties}{n} } =
		  { row => $row, contact => $contact, is_known => $server eq 'own' ? exists $told{$user_id} && $told{$user_id} < $row->{id} : $told ne 'never' };
		$contact->{has_event} = 1 if $user_id =~ /@/ || exists $more->{email};
		write_contact($row, $contact, $more, $told) if grep { $_ ne 'email' } keys %$more;
	}
	else
	{
		my $contact = contact_named($server, $user_id);
		next if told($row, $server, $user_id) ne 'before';
		$contact->{deleted} = 1;
		delete $contact->{since};
		$contact->{properties} = {};
		$contact->{older} = {};
	}
}
note scalar(@calls) . ' calls';

#
# Verdicts
#
# A row that was merged has the fate of the one that carried it.
for (split /\n/, ask(q{SELECT coalesce(o.parent, o.id), o.object, coalesce(c.verdict, r.verdict), coalesce(c.category, r.category, ''),
	coalesce(replace(coalesce(c.message, r.message), E'\n', ' '), '')
	FROM hubspot.outbox o JOIN hubspot.result r USING (id) LEFT JOIN hubspot.result c ON c.id = r.merged_into WHERE object <> 'schema'}))
{
	my ($call, $object, $verdict, $category, $text) = split /\|/, $_, 5;
	$verdict_of{$call}{$object} = { verdict => $verdict, category => $category, text => $text };
}

my %complaints;

sub complain { my ($about, $what) = @_; push @{ $complaints{$about} }, $what }

sub call_text { my ($row) = @_; return "$row->{id} round $row->{round} $row->{call} $row->{server} " . $json->encode($row->{message}) }

sub no_complaints
{
	my ($about, $title) = @_;
	my @texts = @{ $complaints{$about} // [] };
	is(scalar @texts, 0, $title) or diag join "\n", @texts[ 0 .. ($#texts > 9 ? 9 : $#texts) ];
}

is(ask('SELECT count(*) FROM hubspot.outbox o WHERE (SELECT count(*) FROM hubspot.result r WHERE r.id = o.id) <> 1'), '0', 'each row has one verdict');
for my $row (@calls)
{
	my $rows = $verdict_of{ $row->{id} };
	for my $object (sort keys %$rows)
	{
		my ($verdict, $category) = @{ $rows->{$object} }{qw(verdict category)};
		my $text = "$object: $verdict $category $rows->{$object}{text}: " . call_text($row);
		next if $object eq 'association' || $object eq 'event';
		if ($row->{call} eq 'delete')
		{
			complain('verdict', $text) unless $verdict =~ /^(delivered|unchanged)$/ || $category eq 'contact_not_found';
		}
		elsif (($row->{message}{traits}{email} // '') =~ /nosuchtld/)
		{
			complain('verdict', $text) unless "$verdict $category" eq 'rejected INVALID_EMAIL';
		}
		else
		{
			# by a userId that was told later, or never, mixed only
			my $told = defined $row->{message}{userId} ? told($row, $row->{server}, $row->{message}{userId}) : 'before';
			complain('verdict', $text) unless $verdict eq 'delivered' || ($unchanged && $verdict eq 'unchanged')
			  || ($told eq 'later' && $category eq 'older_value') || ($told eq 'never' && $category eq 'contact_not_found');
		}
	}
}
no_complaints('verdict', 'contacts and companies are delivered');
is(ask(q{SELECT count(*) FROM hubspot.result r WHERE verdict = 'coalesced' AND NOT EXISTS (
	SELECT FROM hubspot.result c WHERE c.id = r.merged_into AND c.verdict <> 'coalesced')}), '0', 'what was merged names a row that was not');

#
# HubSpot's side
#
sub same { my ($is, $wanted) = @_; return ($is // '') eq ($wanted // '') }

my ($alive, %id_of) = (0);
for my $contact (map { $contacts{$_} } sort keys %contacts)
{
	my $email = $contact->{email};
	my $there = $sim->contact($email);
	$id_of{$email} = $there->{id} if $there;
	if ($contact->{bad} || !$contact->{since})
	{
		$alive++ if $there;
		complain('ghost', $email) if $there && !$contact->{has_event} && $email !~ /^own\d-[02]@/;
		next;
	}
	$alive++;
	if (!$there)
	{
		complain('contact', "$email is not there");
		next;
	}
	for my $name (sort keys %{ { %{ $contact->{properties} }, %{ $contact->{older} // {} } } })
	{
		my @allowed = ($contact->{properties}{$name}, @{ ($contact->{older} // {})->{$name} // [] });
		next if $name eq 'rooms' && @allowed > 1;    # added to what was there, at whatever time
		complain('contact', "$email $name: " . ($there->{properties}{$name} // 'nothing') . ', should be ' . join(' or ', map { $_ // 'nothing' } @allowed))
		  unless grep { same($there->{properties}{$name}, $_) } @allowed;
	}
}
# those that could be adopted, but were not asked for
for my $email (map { my $w = $_; map { "own$w-$_\@example.com" } 0, 2 } 0 .. $writers - 1)
{
	$alive++ unless $contacts{$email};
}
no_complaints('contact', 'each contact has its last values');
no_complaints('ghost', 'no contact is there that is deleted, or that nobody asked for');
is($sim->count, $alive, 'and no other one');

sub companies_by { my ($property, $key) = @_; return @{ $sim->api('GET', "/_sim/objects/companies?key=$key&property=$property")->{results} } }

my $expected = 0;
for my $company (map { $companies{$_} } sort keys %companies)
{
	my ($key, $server) = @$company{qw(key server)};
	my @there = companies_by($server eq 'crm' ? 'domain' : 'segment_group_id', $key);
	$expected++;
	complain('double', scalar(@there) . " companies of $key") if @there > 1;
	if (!@there)
	{
		complain('company', "$key is not there");
		next;
	}
	$company->{id} = $there[0]{id};
	if ($company->{domain})
	{
		my @same = companies_by('domain', $company->{domain});
		complain('double', scalar(@same) . " companies of $company->{domain}") if @same != 1;
	}
	for my $name (sort keys %{ $company->{properties} })
	{
		complain('company', "$key $name: " . ($there[0]{properties}{$name} // 'nothing') . ', should be ' . ($company->{properties}{$name} // 'nothing'))
		  unless same($there[0]{properties}{$name}, $company->{properties}{$name});
	}
}
$expected += grep { !$companies{$_} } map { my $w = $_; map { "keyed$w-$_" } 0, 2 } 0 .. $writers - 1;
no_complaints('company', 'each company has its last values');
no_complaints('double', 'no company is there twice');
is($sim->count('companies'), $expected, 'and no other one');

#
# Who belongs to which company
#
my (%member, %primary, %perhaps);
for my $join (@joins)
{
	my ($row, $contact, $company) = @$join{qw(row contact company)};
	my $end = $verdict_of{ $row->{id} }{association};
	if (!$end)
	{
		complain('join', 'no row for ' . call_text($row));
		next;
	}
	my $is_due = $contact->{since} && $join->{is_known} && !$contact->{bad}
	  && ($contact->{since} < $row->{id} || (!$contact->{deleted} && $row->{stopped} eq 't' && $contact->{since} == $row->{id}));
	$perhaps{ $contact->{email} }{ $company->{id} // 'none' } = 1 unless $is_due;
	if ($end->{verdict} eq 'delivered')
	{
		next if $contact->{deleted} && !$is_due;    # perhaps of the one that is gone
		$member{ $contact->{email} }{ $company->{id} // 'none' } = call_text($row);
		$primary{ $contact->{email} } = $company->{id} // 'none';
	}
	elsif ($is_due || $end->{category} ne 'contact_not_found')
	{
		complain('join', "$end->{verdict} $end->{category} $end->{text}: " . call_text($row));
	}
}
no_complaints('join', 'no association is refused but for want of its contact');
for my $email (sort keys %member)
{
	my @there = @{ ($sim->contact($email) // { associations => [] })->{associations} };
	my %is = map { $_->{id} => 1 } @there;
	for my $id (sort keys %{ $member{$email} })
	{
		complain('member', "$email is not of $id: $member{$email}{$id}") unless $is{$id};
	}
	for my $id (sort keys %is)
	{
		complain('member', "$email is of $id") unless $member{$email}{$id} || $perhaps{$email}{$id};
	}
	my ($primary) = map { $_->{id} } grep { $_->{primary} } @there;
	next if $contacts{$email}{older_join};    # it may have come after a younger one
	complain('primary', "$email: " . ($primary // 'none') . ", should be $primary{$email}: $member{$email}{$primary{$email}}") unless same($primary, $primary{$email});
}
no_complaints('member', 'each contact belongs to its companies');
no_complaints('primary', 'the primary one is the last');

#
# Events
#
my (%seen, %uuids);
for my $event (grep { $_->{op} eq 'event' } $sim->log)
{
	my $n = $event->{properties}{n};
	my $call = $events{$n};
	complain('event', "nobody called $n") unless $call;
	complain('event', "$n is there twice") if $seen{$n}++;
	complain('event', "$n has a uuid of another") if $uuids{ $event->{uuid} }++;
	complain('event', "$n is of $event->{id} $event->{email}: " . call_text($call->{row}))
	  if $call && !same($event->{id}, $id_of{ $call->{contact}{email} });
}
for my $n (sort keys %events)
{
	my $call = $events{$n};
	my $end = $verdict_of{ $call->{row}{id} }{event};
	complain('event', "$n: $end->{verdict} $end->{category} $end->{text}: " . call_text($call->{row}))
	  if $end->{verdict} ne 'delivered' && ($call->{is_known} || $end->{category} ne 'contact_not_found');
	# a crash may have undone what was known when it was sent
	complain('event', "$n: $end->{verdict}, but it is not there: " . call_text($call->{row})) if $end->{verdict} eq 'delivered' && !$seen{$n};
	complain('event', "$n: $end->{verdict}, but it is there: " . call_text($call->{row})) if $end->{verdict} ne 'delivered' && $seen{$n} && $call->{is_known};
}
no_complaints('event', 'each event is there once, and of its contact');

my $skipped = ask(q{SELECT count(*) FROM hubspot.result r JOIN hubspot.outbox o USING (id) WHERE verdict = 'unchanged' AND call <> 'delete' AND category IS DISTINCT FROM 'older_value'});
note "$skipped rows were unchanged";
ok($unchanged ? $skipped > 0 : $skipped == 0, 'some rows changed nothing, if that is looked at');
is(ask(q{SELECT count(*) FROM hubspot.result WHERE verdict = 'dead'}), '0', 'no row was given up');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal (?!9)/, 'nothing crashed by itself');
$node->stop;
done_testing();
