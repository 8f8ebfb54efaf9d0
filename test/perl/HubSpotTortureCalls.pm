# HubSpotTortureCalls: what the sessions of the fault campaign do (HubSpotTorture).
#
#	use HubSpotTortureCalls;
#	my $sql = session($n, $chunk, $oid_of_the_server);
#
# The text of a session: a few transactions, chosen at random.  Each call is one of the
# functions of test/torture/setup.sql.  Within a transaction keys grow, so that two
# transactions do not deadlock.
package HubSpotTortureCalls;

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(uniq);

our @EXPORT = qw(session one_of contact addresses @user_ids @told_late @lists $contacts $records);

our $contacts = 60;
our @lists = map { "list $_" } 0 .. 3;
# Named by userId; who begins with d is deleted now and then.
our @user_ids = ((map { "u$_" } 0 .. 29), (map { "d$_" } 0 .. 9));
# Nobody tells these before they are called by: for a worker that lets their rows wait.
our @told_late = $ENV{TOLD_LATE} ? map { "u$_" } 0 .. 9 : ();
my $companies = 20;
our $records = 8;    # of each type

sub one_of { return $_[ rand @_ ] }

# Some contacts are called for more often than others.
sub contact { return 'c' . int($contacts * rand() ** 2) . '@example.com' }

# What a userId is told with, now this, now that.
sub addresses { my ($user_id) = @_; return map { "$user_id-$_\@example.com" } 'a' .. 'c' }

sub company { return 'group' . int rand $companies }

sub quoted { my ($text) = @_; return defined $text ? "'$text'" : 'NULL' }

# A call that is perhaps taken back.
sub perhaps
{
	my ($call) = @_;
	my $fate = rand;

	return "SAVEPOINT s;\n${call}ROLLBACK TO s;\n" if $fate < 0.06;
	return "SAVEPOINT s;\n${call}RELEASE s;\n" if $fate < 0.12;
	return $call;
}

# One call of a key that others call, too.
sub shared_call
{
	my ($kind, $key, $marker) = @_;
	my $how = $kind eq 'contact' ? one_of(qw(function function enqueue row statement sync)) : one_of(qw(function function enqueue));
	my $member = $kind eq 'company' && rand() < 0.4 ? "'" . contact() . "'" : 'NULL';

	return "SELECT call_in_block('$kind', '$key', '$marker', " . one_of('true', 'false') . ");\n" if rand() < 0.08;
	return perhaps("SELECT call('$kind', '$key', '$marker', '$how', $member);\n");
}

sub list_call
{
	my ($key, $marker) = @_;
	return perhaps("SELECT call_list('$key', '$marker', '" . one_of(@lists) . "', " . one_of('true', 'true', 'false') . ", '"
		  . one_of(qw(function enqueue)) . "');\n");
}

# Calls of a person by userId.
sub user_call
{
	my ($user_id, $marker) = @_;
	my $what = $user_id =~ /^d/ ? one_of(qw(tell tell deleted)) : one_of(qw(tell did did said joins enters leaves));
	my $detail =
	    $what eq 'tell' ? one_of(addresses($user_id))
	  : $what eq 'deleted' ? one_of(undef, addresses($user_id))
	  : $what eq 'joins' ? "of-$user_id-" . int rand 3
	  : $what =~ /enters|leaves/ ? one_of(@lists)
	  :   undef;
	return perhaps("SELECT call_user('$what', '$user_id', '$marker', " . quoted($detail) . ", '" . one_of(qw(function function enqueue)) . "');\n");
}

# Deals, tickets and cars; deals and contacts that belong together.  The keys of a transaction grow.
sub record_calls
{
	my ($marker) = @_;
	my $n = 0;
	my $sql = '';

	for my $kind (qw(car deal ticket))
	{
		$sql .= perhaps("SELECT call_record('$kind', '$_', '$marker-$kind" . $n++ . "', '" . one_of(qw(function enqueue)) . "');\n")
		  for sort map { $kind . int rand $records } 1 .. rand 3;
	}
	$sql .= perhaps("SELECT call_pair($_, '$marker-pair" . $n++ . "', " . one_of('true', 'true', 'false') . ', ' . one_of('NULL', "'Torture'") . ", '"
		  . one_of(qw(function enqueue)) . "');\n")
	  for sort map { "'deal" . int(rand $records) . "', 'c" . int(rand 4) . "\@example.com'" } 1 .. rand 4;
	return $sql;
}

# Rows put into the table by COPY, with their lines of the ledger.
sub copy
{
	my ($marker, $server) = @_;
	my ($ledger, $outbox) = ('', '');

	for my $i (1 .. 2 + int rand 40)
	{
		my ($one, $key) = ("$marker-$i", "$marker-$i\@example.com");
		$ledger .= "$one|contact|$key|1\n";
		$outbox .= qq{$server|identify|contact|function|$key|{"email": "$key", "zip": 1, "city": "$one"}\n};
	}
	return "COPY ledger (marker, kind, key, n) FROM STDIN (DELIMITER '|');\n$ledger\\.\n"
	  . "COPY hubspot.outbox (server, call, object, source, key, message) FROM STDIN (DELIMITER '|');\n$outbox\\.\n";
}

# A transaction; the marker begins those of its calls.
sub transaction
{
	my ($marker, $server) = @_;
	my $n = 0;
	my $sql = "BEGIN;\n";
	my $end = rand() < 0.1 ? "ROLLBACK;\n" : "COMMIT;\n";
	my $kind = rand;

	$sql .= "SET LOCAL synchronous_commit = off;\n" if rand() < 0.4;
	if ($kind < 0.07)
	{
		# what is prepared may wait for long: only keys of its own
		my $fate = rand() < 0.7 ? 'keep' : 'drop';
		$sql .= "SELECT call('contact', 'own-$marker\@example.com', '$marker-" . $n++ . "');\n" for 0 .. rand 4;
		$sql .= "SELECT call_many('$marker-many', " . int(rand 100) . ", 'enqueue');\n";
		return $sql . "PREPARE TRANSACTION '$fate-$marker';\n";
	}
	if ($kind < 0.1)
	{
		# a session that takes its time
		$sql .= "SELECT call('contact', 'own-$marker\@example.com', '$marker-a'); SELECT pg_sleep(" . rand(2) . ");\n"
		  . "SELECT call('contact', 'own-$marker\@example.com', '$marker-b');\n";
		return $sql . $end;
	}
	return $sql . copy($marker, $server) . $end if $kind < 0.15;
	return $sql . "SELECT call('" . one_of(qw(contact event)) . "', '" . contact() . "', '$marker-' || i) FROM generate_series(1, " . int(rand 150) . ") i;\n" . $end
	  if $kind < 0.17;
	return $sql . "SELECT call_many('$marker', " . int(rand 300) . ", '" . one_of(qw(enqueue statement)) . "');\n" . $end if $kind < 0.2;
	return $sql . "SELECT call('bad', 'bad-$marker\@example.nosuchtld', '$marker-bad');\n" . $end if $kind < 0.24;
	return $sql . "SELECT call_erasure('$marker', " . int(rand 3) . ");\n" . $end if $kind < 0.26;
	return $sql . "UPDATE people SET is_in = NOT is_in WHERE email IN (" . join(', ', map { "'p" . int(rand 30) . "\@example.com'" } 0 .. rand 3) . ");\n" . $end if $kind < 0.3;

	$sql .= shared_call('contact', $_, "$marker-" . $n++) for sort map { contact() } 0 .. rand 8;
	$sql .= shared_call('company', $_, "$marker-" . $n++) for sort map { company() } 1 .. rand 4;
	$sql .= shared_call('event', $_, "$marker-" . $n++) for sort map { contact() } 0 .. rand 6;
	$sql .= shared_call('form', $_, "$marker-" . $n++) for sort map { contact() } 1 .. rand 2;
	$sql .= record_calls($marker);
	$sql .= list_call($_, "$marker-" . $n++) for sort map { contact() } 1 .. rand 3;
	for my $user_id (sort { $a cmp $b } uniq(map { one_of(@user_ids) } 1 .. rand 5))
	{
		$sql .= user_call($user_id, "$marker-" . $n++) for 0 .. rand 4;
	}
	return $sql . $end;
}

sub session
{
	my ($session, $chunk, $server) = @_;
	return join '', map { transaction("w$session-$chunk-$_", $server) } 1 .. 8;
}

1;
