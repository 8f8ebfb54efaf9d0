# A definition belongs to a role, not to a name; and what row security hides from
# its owner HubSpot is not told to have gone.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('owners');
create_account($node, 'postgres', 'crm', $sim);

sub ask { my ($sql, $database) = @_; return $node->safe_psql($database // 'postgres', $sql) }

sub as { my ($role, $sql) = @_; return ask("SET ROLE $role; $sql") }

sub answer_to
{
	my ($role, $sql) = @_;
	my ($status, $out, $error) = $node->psql('postgres', "SET ROLE $role; $sql");
	return $status ? $error : "done: $out $error";
}

sub problem_of { return ask("SELECT problem FROM hubspot.syncs WHERE name = '$_[0]'") }

sub owner_of { return ask("SELECT owner FROM hubspot.syncs WHERE name = '$_[0]'") }

ask(q{CREATE ROLE carol; CREATE ROLE dave; CREATE ROLE erin; CREATE ROLE team; GRANT team TO carol;
	GRANT USAGE ON FOREIGN SERVER crm TO carol, dave, erin, team; GRANT CREATE ON SCHEMA public TO carol;
	CREATE TABLE shown (email text); INSERT INTO shown VALUES ('seen@example.com');
	GRANT SELECT, TRIGGER ON shown TO carol, dave, team;
	SELECT hubspot_create_property('contact', p, 'bool') FROM unnest('{mine,other,vip,partly,late,func}'::text[]) p});
wait_drained($node, 'postgres');

#
# While there are definitions their owner is not dropped
#
as('carol', q{SELECT hubspot_audience('mine', 'SELECT email FROM public.shown'); SELECT hubspot_sync('followed', 'shown', mapping => '{"email": "email"}')});
ask('REVOKE ALL ON SCHEMA public FROM carol');
ask('GRANT USAGE ON SCHEMA public TO PUBLIC');
ask('REVOKE ALL ON FOREIGN SERVER crm FROM carol; REVOKE ALL ON shown FROM carol');
my $refused = answer_to('postgres', 'DROP ROLE carol');
like($refused, qr/role "carol" cannot be dropped because some objects depend on it/, 'DROP ROLE is refused');
like($refused, qr/owner of sync "followed" and others/, 'and names what is in the way');
is(ask(q{SELECT count(*) FROM pg_roles WHERE rolname = 'carol'}), 1, 'the role is there');
ask('GRANT USAGE ON FOREIGN SERVER crm TO carol; GRANT SELECT, TRIGGER ON shown TO carol');

#
# Who declares anew becomes the owner, and is told so
#
like(answer_to('carol', q{SELECT hubspot_audience('mine', 'SELECT email FROM public.shown')}), qr/^done((?!belongs).)*$/s, 'the owner declares anew');
like(answer_to('postgres', q{SELECT hubspot_audience('mine', 'SELECT email FROM public.shown')}),
	qr/NOTICE:  "mine" belongs to role "postgres" from now on, no longer to "carol"/, 'another one becomes the owner, and is told so');
ask(q{SELECT hubspot_alter_owner('mine', 'carol')});

#
# A role that is renamed keeps them
#
#
ask('ALTER ROLE carol RENAME TO caroline');
is(owner_of('mine'), 'caroline', 'the present name is shown');
is(ask(q{SELECT owner FROM hubspot.sync WHERE name = 'mine'}), 'caroline', 'and dumped');
ask('CREATE ROLE carol; GRANT USAGE ON FOREIGN SERVER crm TO carol; GRANT SELECT ON shown TO carol');
like(answer_to('carol', q{SELECT hubspot_refresh('mine')}), qr/must be owner of audience "mine"/, 'the next one of the name has nothing');
is(as('caroline', q{SELECT entered FROM hubspot_refresh('mine')}), 1, 'the renamed one has it');
ask('DROP OWNED BY carol; DROP ROLE carol; ALTER ROLE caroline RENAME TO carol');
is(owner_of('mine'), 'carol', 'and back');

#
# hubspot_alter_owner()
#
like(answer_to('carol', q{SELECT hubspot_alter_owner('mine', 'dave')}), qr/must be (able to SET ROLE "dave"|member of role "dave")/, 'to whom one cannot become nobody gives');
like(answer_to('dave', q{SELECT hubspot_alter_owner('mine', 'dave')}), qr/must be owner of audience "mine"/, 'nor does one take');
like(answer_to('carol', q{SELECT hubspot_alter_owner('nothing', 'team')}), qr/no sync, audience or trait of the name "nothing"/, 'of what there is');
like(answer_to('carol', q{SELECT hubspot_alter_owner('mine', 'nobody_')}), qr/role "nobody_" does not exist/, 'to whom there is');
like(answer_to('carol', q{SELECT hubspot_alter_owner('mine', 'team')}), qr/^done/, 'a member of the new owner gives');
is(owner_of('mine'), 'team', 'which then owns it');
like(answer_to('postgres', q{SELECT hubspot_alter_owner('mine', 'erin')}), qr/permission denied for table shown/, 'a superuser gives to whom may read it');
ask('REVOKE USAGE ON FOREIGN SERVER crm FROM dave');
like(answer_to('postgres', q{SELECT hubspot_alter_owner('mine', 'dave')}), qr/permission denied for foreign server crm/, 'and use the account');
ask('GRANT USAGE ON FOREIGN SERVER crm TO dave');
ask(q{SELECT hubspot_alter_owner('mine', 'dave'); SELECT hubspot_alter_owner('followed', 'dave')});
is(as('dave', q{SELECT source_rows FROM hubspot_refresh('mine')}), 1, 'it works for its new owner');
like(answer_to('carol', q{SELECT hubspot_refresh('mine')}), qr/must be owner/, 'and no more for the old one');
ask(q{INSERT INTO shown VALUES ('followed@example.com')});
wait_drained($node, 'postgres');
ok($sim->contact('followed@example.com'), 'changes are followed for the new owner');

#
# A superuser's reads all tables: what becomes his is held until he has looked at it
#
for my $way (q{SELECT hubspot_alter_owner('mine', 'postgres'); SELECT hubspot_alter_owner('followed', 'postgres')}, 'REASSIGN OWNED BY dave TO postgres')
{
	like(answer_to('postgres', $way), qr/NOTICE:  audience "mine" is held, since its new owner "postgres" is a superuser/, "$way: who gives it is told");
	is(ask('SELECT string_agg(DISTINCT state, NULL) FROM hubspot.syncs'), 'held', 'both are held');
	like(answer_to('postgres', q{SELECT hubspot_refresh('mine')}), qr/audience "mine" is held: it was given to a superuser/, 'none is refreshed');
	like(answer_to('dave', q{SELECT hubspot_resync('mine')}), qr/must be owner of audience "mine"/, 'the one before cannot let it go on');
	unlike(ask(q{SELECT hubspot_resync(name) FROM hubspot.syncs; SELECT state FROM hubspot.syncs}), qr/held/, 'the new owner lets them go on');
	is(ask(q{SELECT source_rows > 0 FROM hubspot_refresh('mine')}), 't', 'as whom they run');
	unlike(answer_to('postgres', q{CREATE ROLE root SUPERUSER; SELECT hubspot_alter_owner('mine', 'root'); SELECT hubspot_alter_owner('mine', 'postgres'); DROP ROLE root}),
		qr/held|ERROR/, 'between superusers nothing changes');
	unlike(answer_to('postgres', q{SELECT hubspot_alter_owner(name, 'dave') FROM hubspot.syncs}), qr/held|ERROR/, 'nor when a superuser gives them away');
}

#
# REASSIGN OWNED and DROP OWNED
#
ask('REASSIGN OWNED BY dave TO team');
is(owner_of('mine') . ' ' . owner_of('followed'), 'team team', 'REASSIGN OWNED takes definitions along');
ask('REASSIGN OWNED BY team TO carol');
ask('DROP OWNED BY dave; DROP ROLE dave');
as('erin', q{SELECT hubspot_audience('other', 'SELECT ''x@example.com''::text')});
ask('DROP OWNED BY erin; DROP ROLE erin');
is(ask(q{SELECT string_agg(name, ' ' ORDER BY name) FROM hubspot.sync}), 'followed mine', 'DROP OWNED drops them');

#
# Another database knows nothing of them: the owner is lost, and found by nobody
#
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
ask('REVOKE ALL ON FOREIGN SERVER crm FROM carol; REVOKE ALL ON shown FROM carol; REVOKE ALL ON SCHEMA public FROM carol');
ask('DROP ROLE carol', 'elsewhere');
like(problem_of('mine'), qr/its owner, the role "carol", does not exist any more/, 'what lost its owner says so');
ask('CREATE ROLE carol; GRANT USAGE ON FOREIGN SERVER crm TO carol; GRANT SELECT, TRIGGER ON shown TO carol');
like(problem_of('mine'), qr/its owner, the role "carol", does not exist any more/, 'a later role of the name is another one');
like(answer_to('carol', q{SELECT hubspot_refresh('mine')}), qr/must be owner of audience "mine"/, 'who may not refresh it');
my $lost = answer_to('postgres', q{SELECT hubspot_refresh('mine')});
like($lost, qr/role "carol", the owner of "mine", does not exist any more/, 'nor is it refreshed by a superuser');
like($lost, qr/The role of this name is another one/, 'who is told why');
like(answer_to('postgres', q{SELECT hubspot_resync('mine')}), qr/does not exist any more/, 'a resync finds nobody either');
ask(q{INSERT INTO shown VALUES ('unfollowed@example.com')});
is(ask(q{SELECT count(*) FROM hubspot.outbox WHERE key = 'unfollowed@example.com'}), 0, 'the trigger does nothing, and fails nobody');
ask(q{SELECT hubspot_alter_owner('mine', 'carol'); SELECT hubspot_drop_sync('followed')});
is(as('carol', q{SELECT source_rows FROM hubspot_refresh('mine')}), 3, 'until a superuser gives it to somebody');

#
# A dump keeps names: the role is looked up when somebody says that it may go on
#
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('postgres') ], 'dump');
ask('CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('restored'), $dump ], 'restore');
is(ask(q{SELECT owner_oid IS NULL, held FROM hubspot.sync}, 'restored'), 't|restored from a dump', 'a restored definition is held, and is bound to no role');
is(ask(q{SELECT owner FROM hubspot.syncs}, 'restored'), 'carol', 'its owner is shown by name');
ask(q{SELECT hubspot_resync('mine')}, 'restored');
is(ask(q{SELECT owner_oid = 'carol'::regrole FROM hubspot.sync}, 'restored'), 't', 'hubspot_resync() binds it');

#
# Row security: a superuser's definition sees everything, or fails
#
ask(q{CREATE TABLE vips (email text, region text DEFAULT 'north'); INSERT INTO vips SELECT 'v' || i || '@example.com' FROM generate_series(1, 3) i;
	GRANT SELECT ON vips TO carol;
	SELECT hubspot_audience('vip', 'SELECT email FROM vips'); SELECT hubspot_refresh('vip');
	SELECT hubspot_sync('vips', 'vips', mapping => '{"email": "email"}', backfill => false)});
as('carol', q{SELECT hubspot_audience('late', 'SELECT email FROM public.vips'); SELECT hubspot_refresh('late')});
ask('CREATE FUNCTION v() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT email FROM public.vips; END $$');
as('carol', q{SELECT hubspot_audience('func', 'SELECT public.v()'); SELECT hubspot_refresh('func')});
ask('ALTER TABLE vips ENABLE ROW LEVEL SECURITY');
my $filtered = qr/query would be affected by row-level security policy for table "vips"/;
like(answer_to('postgres', q{SELECT hubspot_refresh('vip')}), $filtered, 'a policy that would hide rows is an error');
is(ask(q{SELECT members FROM hubspot.syncs WHERE name = 'vip'}), 3, 'and nobody has left');
like(answer_to('postgres', q{SET row_security = on; SELECT hubspot_refresh('vip')}), $filtered, 'whatever the session has set');
like(answer_to('postgres', q{SELECT hubspot_audience('other', 'SELECT email FROM vips')}), $filtered, 'neither can it be declared');
ask(q{SELECT hubspot_resync('vips')});
wait_until(sub { problem_of('vips') =~ $filtered }, sub { 'the back-fill to fail: ' . problem_of('vips') });
is(ask(q{SELECT count(*) FROM hubspot.outbox WHERE backfill AND key LIKE 'v%'}), 0, 'a back-fill does not take what it sees for all there is');
like(answer_to('postgres', q{SELECT hubspot_sync('vips2', 'vips', mapping => '{"email": "email"}')}),
	qr/row security hides rows of table "vips" from role "pg_read_all_data".*Declare "vips2" as the owner of the table/s, 'nor is such a table followed');

#
# An ordinary owner sees what his policies show, if that was so when he declared it
#
like(answer_to('carol', q{SELECT hubspot_refresh('late')}), $filtered, 'a policy that comes later is an error, not fewer rows');
like(answer_to('carol', q{SELECT hubspot_refresh('func')}), $filtered, 'in functions, too');
ask(q{CREATE POLICY north ON vips FOR SELECT TO carol USING (region = 'north'); INSERT INTO vips VALUES ('south@example.com', 'south')});
like(answer_to('carol', q{SELECT hubspot_refresh('late')}), $filtered, 'also when it shows some');
like(answer_to('carol', q{SELECT hubspot_audience('partly', 'SELECT email FROM public.vips')}), qr/NOTICE:  row security applies to what "partly" reads/, 'who declares it with policies is told');
is(as('carol', q{SELECT source_rows FROM hubspot_refresh('partly')}), 3, 'and they apply');
like(answer_to('carol', q{SET row_security = off; SELECT hubspot_refresh('partly')}), qr/^done/, 'whatever the session has set');
as('carol', q{SELECT hubspot_audience('late', 'SELECT email FROM public.vips')});
is(as('carol', q{SELECT source_rows FROM hubspot_refresh('late')}), 3, 'a definition that is declared anew goes on');
like(as('carol', q{SELECT name, detail FROM hubspot_audience_preview('SELECT email FROM public.vips', property => 'vip') WHERE item = 'source'}), qr/\b3\b/, 'a preview shows the same');
# hubspot_alter_owner() agrees to policies: what they hide would leave, and can be looked at before the commit
my ($given, $leaving, $told) = $node->psql('postgres', q{BEGIN; UPDATE vips SET region = 'south' WHERE email = 'v3@example.com';
	SELECT hubspot_alter_owner('vip', 'carol'); SELECT change, key FROM hubspot_refresh_preview('vip'); ROLLBACK});
like($told, qr/NOTICE:  row security applies to what "vip" reads/, 'a new owner whom policies hide rows from: a notice');
like($leaving, qr/^exited\|v3\@example.com$/m, '... and a preview in the same transaction shows who would leave');
is(owner_of('vip'), 'postgres', '... who has not, when it is rolled back');
ask('GRANT TRIGGER ON vips TO carol; ALTER ROLE carol BYPASSRLS');
as('carol', q{SELECT hubspot_sync('bypasses', 'vips', mapping => '{"email": "email"}', backfill => false)});
ask(q{INSERT INTO vips VALUES ('bypassed@example.com', 'south')});
is(ask(q{SELECT count(*) FROM hubspot.outbox WHERE key = 'bypassed@example.com'}), 2, 'who may bypass them follows the table');
ask('ALTER ROLE carol NOBYPASSRLS');
ask(q{INSERT INTO vips VALUES ('hidden@example.com', 'south')});
is(ask(q{SELECT count(*) FROM hubspot.outbox WHERE key = 'hidden@example.com'}), 1, 'what policies hide from the owner of a sync it does not send, the superuser\'s does');
like(problem_of('bypasses'), qr/row security of its table hides rows from its owner, the role "carol"/, 'and says why');

#
# The extension itself may be what a role owns
#
ask('CREATE ROLE keeper SUPERUSER; CREATE DATABASE kept');
ask('SET ROLE keeper; CREATE EXTENSION hubspot', 'kept');
ask('DROP OWNED BY keeper CASCADE', 'kept');
is(ask('SELECT count(*) FROM pg_extension', 'kept'), 1, 'DROP OWNED drops the extension with its definitions');
ask('DROP ROLE keeper');

done_testing();
