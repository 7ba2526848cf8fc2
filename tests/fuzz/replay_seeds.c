/* Runs a fuzz target without a fuzzer: each seed and every prefix of it, in a heap block of exactly
 * its size. fuzz_NOUN FOLDER|FILE …
 * *.hex are text: hex digits, blanks, and comments from '#' to the end of the line. Other files are
 * bytes. */
#include <ctype.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned seeds;

/* from_hex turns text into bytes in place and returns how many, or -1. */
static long from_hex(uint8_t *text, size_t len)
{
	long n = 0;
	int high = -1;

	for (size_t i = 0; i < len; i++) {
		int c = tolower(text[i]), digit;

		if (c == '#') {
			while (i < len && text[i] != '\n')
				i++;
			continue;
		}
		if (isspace(c))
			continue;
		if (!isxdigit(c))
			return -1;
		digit = isdigit(c) ? c - '0' : c - 'a' + 10;
		if (high < 0) {
			high = digit;
		} else {
			text[n++] = (uint8_t)(high << 4 | digit);
			high = -1;
		}
	}
	return high < 0 ? n : -1;
}

static int replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat st;
	uint8_t *bytes;
	long len;

	if (!file || fstat(fileno(file), &st) < 0) {
		perror(path);
		return -1;
	}
	bytes = malloc((size_t)st.st_size + 1);
	len = bytes ? (long)fread(bytes, 1, (size_t)st.st_size, file) : -1;
	fclose(file);
	if (len >= 0 && strlen(path) > 4 && strcmp(path + strlen(path) - 4, ".hex") == 0)
		len = from_hex(bytes, (size_t)len);
	if (len < 0) {
		fprintf(stderr, "%s: expected pairs of hex digits\n", path);
		free(bytes);
		return -1;
	}
	for (size_t n = 0; n <= (size_t)len; n++) {
		uint8_t *exact = malloc(n ? n : 1);

		if (!exact)
			abort();
		memcpy(exact, bytes, n);
		LLVMFuzzerTestOneInput(exact, n);
		free(exact);
	}
	free(bytes);
	seeds++;
	return 0;
}

static int replay_folder(const char *path)
{
	struct dirent **list;
	int n = scandir(path, &list, NULL, alphasort), rc = 0;

	if (n < 0)
		return replay(path);
	for (int i = 0; i < n; i++) {
		char name[4096];

		snprintf(name, sizeof(name), "%s/%s", path, list[i]->d_name);
		if (list[i]->d_name[0] != '.' && replay(name) < 0)
			rc = -1;
		free(list[i]);
	}
	free(list);
	return rc;
}

int main(int argc, char **argv)
{
	int rc = 0;

	for (int i = 1; i < argc; i++) {
		if (replay_folder(argv[i]) < 0)
			rc = 1;
	}
	if (seeds == 0) {
		fprintf(stderr, "usage: %s FOLDER|FILE … (with seeds)\n", argv[0]);
		return 1;
	}
	printf("%u seeds, each with all its prefixes\n", seeds);
	return rc;
}
