#include "capture/replay/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FILL = 256 * 1024, /* bytes brought at once: they stay in a second level cache */
	BLOCK_SIZE = INPUT_NEED_MAX + FILL, /* so there is always room for a whole fill */
	RAW_SIZE = 64 * 1024,
};

static int block_make(struct input *in)
{
	in->block = malloc(BLOCK_SIZE);
	if (in->block == NULL)
		return -ENOMEM;
	in->in = bytes_of(in->block, 0);
	return 0;
}

/* memory_start begins to read bytes that are all there: in place, or through the block. */
static int memory_start(struct input *in, struct bytes data, bool streamed)
{
	enum packing packing = packing_of(data);
	int rc;

	in->map = data;
	in->whole = !streamed && packing == PACKING_NONE;
	in->raw = data;
	in->raw_eof = true;
	if (in->whole) {
		in->in = data;
		in->end_offset = bytes_len(data);
		return 0;
	}
	rc = block_make(in);
	return rc == 0 && packing ? unpack_open(&in->unpack, packing) : rc;
}

int input_open_memory(struct input *in, struct bytes data, bool streamed)
{
	int rc;

	*in = (struct input){.fd = -1};
	rc = memory_start(in, data, streamed);
	if (rc < 0)
		input_close(in);
	return rc;
}

/* read_some reads up to room bytes. Returns bytes, 0 at the end, -EAGAIN when none are there now,
 * or -errno. */
static ssize_t read_some(struct input *in, uint8_t *out, size_t room)
{
	struct pollfd ready = {.fd = in->fd, .events = POLLIN};
	ssize_t n;

	if (in->fd_can_wait && poll(&ready, 1, 0) == 0)
		return -EAGAIN;
	do
		n = read(in->fd, out, room);
	while (n < 0 && errno == EINTR);
	return n < 0 ? (errno == EWOULDBLOCK ? -EAGAIN : -errno) : n;
}

int input_open(struct input *in, const char *path, char error[256])
{
	struct stat st;
	void *map;
	int rc;

	*in = (struct input){.fd = -1};
	in->fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	if (in->fd < 0 || fstat(in->fd, &st) < 0) {
		rc = -errno;
		snprintf(error, 256, "%.150s: cannot be opened: %s; check the path and its rights",
			path, strerror(-rc));
		goto close;
	}
	if (S_ISDIR(st.st_mode)) {
		rc = -EISDIR;
		snprintf(error, 256, "%.150s: is a directory; name one capture file in it", path);
		goto close;
	}
	if (!S_ISREG(st.st_mode) || strcmp(path, "-") == 0) {
		in->fd_can_wait = !S_ISREG(st.st_mode);
		rc = block_make(in);
		goto done;
	}
	if (st.st_size == 0) {
		rc = memory_start(in, (struct bytes){0}, false);
		goto done;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, in->fd, 0);
	if (map == MAP_FAILED) {
		rc = -errno;
		snprintf(error, 256,
			"%.150s: cannot be mapped: %s; pipe it in instead: -r - < FILE", path,
			strerror(-rc));
		goto close;
	}
	madvise(map, (size_t)st.st_size, MADV_SEQUENTIAL);
	in->map_owned = true;
	in->map = bytes_of(map, (size_t)st.st_size);
	close(in->fd);
	in->fd = -1;
	rc = memory_start(in, in->map, false);
done:
	if (rc == 0)
		return 0;
	snprintf(error, 256, "%.150s: no memory for its buffer", path);
close:
	input_close(in);
	return rc;
}

/* raw_fill makes raw non-empty. Same returns as read_some. */
static ssize_t raw_fill(struct input *in)
{
	ssize_t n;

	if (bytes_len(in->raw) > 0)
		return 1;
	if (in->raw_eof)
		return 0;
	n = read_some(in, in->raw_block, RAW_SIZE);
	if (n > 0)
		in->raw = bytes_of(in->raw_block, (size_t)n);
	else if (n == 0)
		in->raw_eof = true;
	return n;
}

/* unpacked brings up to room bytes to out. */
static enum input_state unpacked(struct input *in, uint8_t *out, size_t room, size_t *made)
{
	struct unpack *u = &in->unpack;

	while (*made < room && !u->why) {
		ssize_t n = u->pending ? 1 : raw_fill(in);

		if (n == -EAGAIN)
			return *made ? INPUT_MORE : INPUT_NONE;
		if (n < 0) {
			in->rc = (int)n;
			return INPUT_FAILED;
		}
		if (n == 0)
			return *made ? INPUT_MORE : u->inside ? INPUT_TRUNCATED : INPUT_EOF;
		*made += unpack_some(u, &in->raw, out + *made, room - *made);
	}
	return *made ? INPUT_MORE : INPUT_DAMAGED;
}

/* plain brings up to room bytes to out, uncompressed. */
static enum input_state plain(struct input *in, uint8_t *out, size_t room, size_t *made)
{
	ssize_t n;

	if (in->fd < 0) { /* memory handed out as a stream */
		*made = bytes_len(in->raw) < room ? bytes_len(in->raw) : room;
		memcpy(out, bytes_take(&in->raw, *made).p, *made);
		return *made ? INPUT_MORE : INPUT_EOF;
	}
	n = read_some(in, out, room);
	if (n == -EAGAIN)
		return INPUT_NONE;
	if (n < 0) {
		in->rc = (int)n;
		return INPUT_FAILED;
	}
	*made = (size_t)n;
	return n ? INPUT_MORE : INPUT_EOF;
}

/* sniff turns a stream whose first bytes just came into a compressed one if they say so. */
static int sniff(struct input *in)
{
	size_t len = bytes_len(in->in);
	enum packing packing = PACKING_NONE;

	if (in->fd >= 0 && in->end_offset == len)
		packing = packing_of(in->in);
	if (packing == PACKING_NONE)
		return 0;
	in->raw_block = malloc(len > RAW_SIZE ? len : RAW_SIZE);
	if (in->raw_block == NULL)
		return -ENOMEM;
	memcpy(in->raw_block, in->in.p, len);
	in->raw = bytes_of(in->raw_block, len);
	in->in = bytes_of(in->block, 0);
	in->end_offset = 0;
	return unpack_open(&in->unpack, packing);
}

enum input_state input_more(struct input *in)
{
	size_t len = bytes_len(in->in), made = 0, room;
	enum input_state state;

	if (in->whole)
		return INPUT_EOF;
	if (len > INPUT_NEED_MAX) { /* a parser broke its promise: refuse rather than overrun */
		in->rc = -EMSGSIZE;
		return INPUT_FAILED;
	}
	if (in->in.p != in->block)
		memmove(in->block, in->in.p, len);
	in->in = bytes_of(in->block, len);
	room = BLOCK_SIZE - len < FILL ? BLOCK_SIZE - len : FILL;
	state = in->unpack.packing ? unpacked(in, in->block + len, room, &made)
				   : plain(in, in->block + len, room, &made);
	in->in.end += made;
	in->end_offset += made;
	if (state == INPUT_MORE && !in->unpack.packing) {
		in->rc = sniff(in);
		if (in->rc < 0)
			return INPUT_FAILED;
		if (in->unpack.packing)
			return input_more(in);
	}
	return state;
}

int input_rewind(struct input *in)
{
	if (in->fd >= 0)
		return -ESPIPE;
	in->skip = 0;
	if (in->whole) {
		in->in = in->map;
		return 0;
	}
	in->in = bytes_of(in->block, 0);
	in->end_offset = 0;
	in->raw = in->map;
	unpack_rewind(&in->unpack);
	return 0;
}

void input_close(struct input *in)
{
	unpack_close(&in->unpack);
	free(in->block);
	free(in->raw_block);
	if (in->map_owned)
		munmap((void *)(uintptr_t)in->map.p, bytes_len(in->map));
	if (in->fd >= 0)
		close(in->fd);
	*in = (struct input){.fd = -1};
}
