/*
 * main.c
 *	  A HubSpot on the loopback interface: options, start and end.
 *
 * See README.md for the options and for the control paths.
 */
#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "http.h"
#include "journal.h"
#include "start.h"

static volatile int stop;
static pid_t watched_pid;

static void
on_signal(int number)
{
	(void) number;
	stop = 1;
}

static void
tick(void)
{
	if (watched_pid != 0 && kill(watched_pid, 0) != 0 && errno == ESRCH)
		stop = 1;
}

static void
fail(const char *what, const char *detail)
{
	fprintf(stderr, "simulator: %s: %s\n", what, detail);
	exit(1);
}

static void
usage(FILE *to)
{
	fputs("usage: simulator [--port N] [--port-file PATH] [--log PATH] [--token TOKEN]...\n"
		  "                 [--watch-pid PID] [--config JSON] [--no-history]\n", to);
}

/* Readers see the whole number or no file. */
static void
write_port_file(const char *path, int port)
{
	char	   *temporary = scratch_printf("%s.tmp", path);
	FILE	   *file = fopen(temporary, "w");

	if (file == NULL || fprintf(file, "%d\n", port) < 0 || fclose(file) != 0 ||
		rename(temporary, path) != 0)
		fail(path, strerror(errno));
}

static void
configure(const char *text)
{
	struct json_object *object = json_tokener_parse(text);
	const char *error;

	if (!config_apply(object, &error))
		fail("--config", error);
	json_object_put(object);
}

static int
parse_number(const char *option, const char *text, long max)
{
	char	   *end;
	long		number = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || number < 0 || number > max)
		fail(option, "not a valid number");
	return (int) number;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", required_argument, NULL, 'p'},
		{"port-file", required_argument, NULL, 'f'},
		{"log", required_argument, NULL, 'l'},
		{"token", required_argument, NULL, 't'},
		{"watch-pid", required_argument, NULL, 'w'},
		{"config", required_argument, NULL, 'c'},
		{"no-history", no_argument, NULL, 'n'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}
	};
	struct sigaction action = {.sa_handler = on_signal};
	const char *port_file = NULL;
	const char *log_file = NULL;
	bool		history = true;
	int			port = 0;
	int			option;

	simulator_start();
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'p':
				port = parse_number("--port", optarg, 65535);
				break;
			case 'f':
				port_file = optarg;
				break;
			case 'l':
				log_file = optarg;
				break;
			case 't':
				list_append(&config.tokens, optarg);
				break;
			case 'w':
				watched_pid = parse_number("--watch-pid", optarg, 0x7fffffff);
				break;
			case 'c':
				configure(optarg);
				break;
			case 'n':
				history = false;
				break;
			case 'h':
				usage(stdout);
				return 0;
			default:
				usage(stderr);
				return 2;
		}
	}
	if (optind != argc)
	{
		usage(stderr);
		return 2;
	}
	if (!journal_open(log_file, history))
		fail(log_file, strerror(errno));
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	port = http_listen(port);
	if (port == 0)
		fail("could not listen on 127.0.0.1", strerror(errno));
	printf("simulator: listening on http://127.0.0.1:%d\n", port);
	fflush(stdout);
	if (port_file != NULL)
		write_port_file(port_file, port);
	http_run(&stop, tick);
	journal_flush();
	/* Memory and connections go with the process. */
	_exit(0);
}
