/*
 * post.c
 *		A bare libcurl POST, for comparison: COUNT upserts of one contact each.
 *
 *	post URL COUNT
 *
 * Prints a line per request: the contact's key, and the time just before the request
 * in microseconds of the clock that the simulator's log uses.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

static size_t
forget(char *data, size_t size, size_t count, void *userp)
{
	(void) data;
	(void) userp;
	return size * count;
}

int
main(int argc, char **argv)
{
	CURL	   *curl = curl_easy_init();
	struct curl_slist *headers = NULL;
	char		body[512];

	if (argc != 3 || curl == NULL)
		return 2;
	headers = curl_slist_append(headers, "Content-Type: application/json");
	headers = curl_slist_append(headers, "Authorization: Bearer bench");
	curl_easy_setopt(curl, CURLOPT_URL, argv[1]);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, forget);
	for (int i = 0; i < atoi(argv[2]); i++)
	{
		struct timespec pause = {0, 5000000};
		struct timespec now;

		snprintf(body, sizeof(body),
				 "{\"inputs\":[{\"idProperty\":\"email\",\"id\":\"bare%d@shop-example.de\","
				 "\"objectWriteTraceId\":\"%d\",\"properties\":{\"plan\":\"pro\"}}]}", i, i);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
		nanosleep(&pause, NULL);
		clock_gettime(CLOCK_REALTIME, &now);
		if (curl_easy_perform(curl) != CURLE_OK)
			return 1;
		printf("bare%d@shop-example.de %lld\n", i, (long long) now.tv_sec * 1000000 + now.tv_nsec / 1000);
	}
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	return 0;
}
