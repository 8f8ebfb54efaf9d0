# HubSpotSimulator: a running HubSpot simulator, and its control paths.
#
#	my $sim = HubSpotSimulator->start($program, $directory, token => 'secret',
#		config => { latency_ms => 50 });
#	my $sim = HubSpotSimulator->attach('http://127.0.0.1:1234');
#
# A started one ends with its object, with stop(), or with the process that
# started it.  Every method dies when the simulator does not answer as asked:
# see test/simulator/README.md for what can be asked.  Needs core Perl only.
package HubSpotSimulator;

use strict;
use warnings;

use Carp qw(croak);
use HTTP::Tiny;
use JSON::PP ();
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

use HubSpotPauses;

my $json = JSON::PP->new->utf8->canonical;

sub attach
{
	my ($class, $url) = @_;
	return bless {
		url => $url,
		http => HTTP::Tiny->new(timeout => 30, no_proxy => ['127.0.0.1']),
	}, $class;
}

# Options: token (or a list of them; any is taken when none is given), config
# (hash), log (file that gets the applied records), arguments (list, as they are).
sub start
{
	my ($class, $program, $directory, %options) = @_;
	my $port_file = "$directory/simulator.port";
	my @arguments = ('--port-file', $port_file, '--watch-pid', $$);
	my $tokens = $options{token} // [];

	push @arguments, map { ('--token', $_) } ref $tokens ? @$tokens : $tokens;
	push @arguments, '--config', $json->encode($options{config}) if $options{config};
	push @arguments, '--log', $options{log} if $options{log};
	push @arguments, @{ $options{arguments} // [] };

	unlink $port_file;
	my $pid = fork // croak "fork: $!";
	if ($pid == 0)
	{
		open STDOUT, '>', "$directory/simulator.out";
		open STDERR, '>&', \*STDOUT;
		exec $program, @arguments or POSIX::_exit(1);
	}

	my $give_up = time + 30;
	until (-s $port_file)
	{
		croak 'the simulator did not start, see ' . "$directory/simulator.out"
		  if time > $give_up || waitpid($pid, WNOHANG) != 0;
		sleep 0.01;
	}
	open my $file, '<', $port_file or croak "$port_file: $!";
	chomp(my $port = <$file>);

	my $self = $class->attach("http://127.0.0.1:$port");
	$self->{pid} = $pid;
	$self->{owner} = $$;
	$self->{token} = (ref $tokens ? $tokens->[0] : $tokens) // 'any';
	pause_process($pid);
	return $self;
}

sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;
	return if $self->{owner} != $$;
	local $?;
	kill 'TERM', $pid;
	waitpid $pid, 0;
}

# Ends it without a goodbye, as a crash would.
sub kill9
{
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;
	local $?;
	kill 'KILL', $pid;
	waitpid $pid, 0;
}

sub DESTROY { $_[0]->stop }

sub url { return $_[0]->{url} }

# Changes settings; returns all of them.
sub config
{
	my ($self, %settings) = @_;
	return %settings
	  ? $self->_ask('POST', 'config', \%settings)
	  : $self->_ask('GET', 'config');
}

# Adds a rule; returns its number.
sub fault
{
	my ($self, %rule) = @_;
	return $self->_ask('POST', 'fault', \%rule)->{id};
}

sub faults { return $_[0]->_ask('GET', 'faults') }
sub clear_faults { $_[0]->_ask('DELETE', 'faults') }
sub stats { return $_[0]->_ask('GET', 'stats') }
sub reset { $_[0]->_ask('POST', 'reset') }

# Lists of applied records, and of requests; after a number, when given.
sub log { return $_[0]->_lines('log', $_[1]) }
sub requests { return $_[0]->_lines('requests', $_[1]) }

# The same as text, a line each: decoding many takes long.
sub requests_text { return $_[0]->_text('GET', 'requests?since=0') }

# The contact of an e-mail address (or of another unique property); undef
# when there is none.
sub contact { return shift->object('contacts', @_) }
sub company { return shift->object('companies', @_) }

sub object
{
	my ($self, $type, $key, $property) = @_;
	my $path = "objects/$type?key=" . _escape($key);
	$path .= '&property=' . _escape($property) if defined $property;
	return $self->_ask('GET', $path)->{results}[0];
}

sub count
{
	my ($self, $type) = @_;
	return $self->_ask('GET', 'objects/' . ($type // 'contacts'))->{count};
}

# A property of the account beside those it has at the start.
sub add_property
{
	my ($self, $type, %property) = @_;
	return $self->_ask('POST', "properties/$type", \%property);
}

# A custom object, {name => ...} as the schemas interface takes it; its schema.
sub add_schema
{
	my ($self, %schema) = @_;
	return $self->_ask('POST', 'schemas', \%schema);
}

# All live records of a type, with their values and associations.
sub records { return $_[0]->_lines("records/$_[1]") }

# All pairs of records, or those of two types as seen from the first one.
sub associations
{
	my ($self, $from, $to) = @_;
	return map { $json->decode($_) } split /\n/,
	  $self->_text('GET', 'associations?' . join '&', $from ? "from=$from" : (), $to ? "to=$to" : ());
}

# The same as text, a line of JSON each: for a table, without reading it here.
sub records_text { return $_[0]->_text('GET', "records/$_[1]") }
sub associations_text { return $_[0]->_text('GET', 'associations') }

# An owner of the account, by its id.
sub set_owner
{
	my ($self, %owner) = @_;
	return $self->_ask('POST', 'owners', \%owner);
}

# What the owner of an address does by himself, and all preferences.
sub opt_out
{
	my ($self, $email, $subscription) = @_;
	return $self->_ask('POST', 'opt-out', { email => $email, defined $subscription ? (subscriptionId => $subscription) : () });
}
sub consents { return $_[0]->_lines('consents') }

sub _escape
{
	my ($text) = @_;
	utf8::encode($text) if utf8::is_utf8($text);
	$text =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ge;
	return $text;
}

sub _lines
{
	my ($self, $path, $since) = @_;
	my $text = $self->_text('GET', "$path?since=" . ($since // 0));
	return map { $json->decode($_) } split /\n/, $text;
}

# HubSpot's own interface, with the first token, as another application would use
# it; the answer, whatever its status, undef when it is no object.
sub api
{
	my ($self, $method, $path, $body) = @_;
	my $answer = $self->{http}->request($method, "$self->{url}$path", {
		headers => { Authorization => "Bearer $self->{token}", 'Content-Type' => 'application/json' },
		defined $body ? (content => $json->encode($body)) : () });
	return ($answer->{content} // '') =~ /^\{/ ? $json->decode($answer->{content}) : undef;
}

sub _ask
{
	my $text = _text(@_);
	return length $text ? $json->decode($text) : undef;
}

sub _text
{
	my ($self, $method, $path, $body) = @_;
	pause_here();
	my $answer = $self->{http}->request($method, "$self->{url}/_sim/$path",
		{ defined $body ? (content => $json->encode($body)) : () });
	croak "simulator: $method $path: $answer->{status} $answer->{content}"
	  unless $answer->{success};
	return $answer->{content};
}

1;
