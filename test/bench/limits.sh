# shellcheck shell=bash
#
# How much of HubSpot's limit is used, alone and beside another client of the
# token.  The simulator keeps a truly rolling window; its log of requests says
# what came when.
#
# shellcheck disable=SC2154 # $scale, $work and $simulator_url are of the script that sources this

measure_limits() {
	local fast_url=$simulator_url
	rm -f "$work/simulator.port"
	new_simulator "$BASHPID" --config '{"burst_limit": 190, "latency_ms": 150, "daily_limit": 1000000000}'
	measure_share alone "$((scale > 1 ? 22 : 64))"
	measure_share beside "$((scale > 1 ? 22 : 64))"
	simulator_url=$fast_url
}

# measure_share alone|beside SECONDS: after two windows, in which the limit was
# there for the taking.  The second client takes a third of the limit, in bursts of 1 to 10
# requests at random times, and does not care about refusals.
measure_share() {
	local settle=20 what='190 requests per 10 s, 150 ms' counts ours refused used
	queue 200000
	simulate POST config '{"burst_limit": 190, "latency_ms": 150}' >/dev/null
	delivery on
	wait_for 'SELECT count(*) > 0 FROM hubspot.request WHERE records > 0' t 30
	if [ "$1" = beside ]; then
		what="$what, beside another client"
		second_client "$((settle + $2 + 1))" &
	fi
	sleep "$((settle + $2 + 1))"
	delivery off
	counts=$(simulate GET requests | perl -MJSON::PP -ne '
		BEGIN { ($settle, $seconds) = splice @ARGV, 0, 2 }
		my $r = decode_json($_);
		$first //= $r->{at_us} if $r->{path} =~ /upsert/;
		next if !defined $first || $r->{at_us} < $first + $settle * 1e6 || $r->{at_us} >= $first + ($settle + $seconds) * 1e6;
		my $whose = $r->{path} =~ m{/v3/details} ? "theirs" : "ours";
		$n{$whose}++; $n{refused}++ if $r->{status} == 429 && $whose eq "ours";
		push @served, $r->{at_us} if $r->{status} != 429;
		# how long as many requests took as are granted for a number of windows
		END {
			my $windows = int($#served / 190);
			printf "%d %d %.4f\n", $n{ours}, $n{refused} // 0, $windows * 1e7 / ($served[190 * $windows] - $served[0]);
		}' "$settle" "$2")
	read -r ours refused used <<<"$counts"
	if [ "$1" = alone ]; then
		row "$what: used" "$(calc "$used * 100" 1) %" '>= 98 %' "$used >= 0.98"
		row "$what: refused (429)" "$refused" '0' "$refused == 0"
	else
		row "$what: used by both" "$(calc "$used * 100" 1) %" '>= 90 %' "$used >= 0.9"
		row "$what: refused of ours" "$(calc "$refused / $ours * 100") %" '<= 1 %' "$refused / $ours <= 0.01"
	fi
}

second_client() {
	perl -MHTTP::Tiny -MTime::HiRes=sleep,time -e '
		my ($url, $seconds) = @ARGV;
		my $rate = 190 / 10 / 3;
		my $end = time + $seconds;
		$SIG{CHLD} = "IGNORE";
		while (time < $end) {
			my $burst = 1 + int rand 10;
			for (1 .. $burst) {		# at once, not one after the other
				next if fork;
				HTTP::Tiny->new(timeout => 30)->get("$url/account-info/v3/details", { headers => { Authorization => "Bearer bench" } });
				exit;
			}
			sleep(-log(1 - rand) * $burst / $rate);
		}' "$simulator_url" "$1"
}
