/* mock_broker: librdkafka's mock cluster as a program of its own, so that it can be frozen. Prints
 * its address, and serves until standard input ends. */
#include <stdio.h>
#include <unistd.h>

#include "tests/support/kafka_mock.h"

int main(void)
{
	struct kafka_mock mock;
	char byte;

	kafka_mock_open(&mock);
	puts(mock.bootstrap);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	kafka_mock_close(&mock);
	return 0;
}
