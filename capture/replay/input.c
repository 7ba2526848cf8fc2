#include "capture/replay/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum {
	FILL = 256 * 1024, /* bytes brought at once: they stay in a second level cache */
	BLOCK_SIZE = INPUT_NEED_MAX + FILL, /* so there is always room for a whole fill */
	RAW_SIZE = 64 * 1024,
	GZIP_WINDOW = 16 + 15, /* zlib: 15 bits, gzip header and checksum verified */
};

static bool is_gzip(struct bytes in)
{
	return bytes_has(in, 2) && in.p[0] == 0x1f && in.p[1] == 0x8b;
}

/* unpack_start makes raw the head of a gzip stream. */
static int unpack_start(struct input *in, struct bytes raw)
{
	in->z = calloc(1, sizeof(*in->z));
	if (in->z == NULL || inflateInit2(in->z, GZIP_WINDOW) != Z_OK)
		return -ENOMEM;
	in->packed = true;
	in->member_open = true;
	in->raw = raw;
	return 0;
}

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
	int rc = 0;

	in->map = data;
	in->whole = !streamed && !is_gzip(data);
	in->raw_eof = true;
	if (in->whole) {
		in->in = data;
		in->end_offset = bytes_len(data);
		return 0;
	}
	rc = block_make(in);
	if (rc == 0 && is_gzip(data))
		rc = unpack_start(in, data);
	in->raw = data;
	return rc;
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

/* unpack inflates up to room bytes to out. Members follow each other; zero bytes may pad them. */
static enum input_state unpack(struct input *in, uint8_t *out, size_t room, size_t *made)
{
	z_stream *z = in->z;
	int rc;

	if (in->why)
		return INPUT_DAMAGED;
	z->next_out = out;
	z->avail_out = (uInt)room;
	while (z->avail_out > 0) {
		ssize_t n = raw_fill(in);

		*made = room - z->avail_out;
		if (n == -EAGAIN)
			return *made ? INPUT_MORE : INPUT_NONE;
		if (n < 0) {
			in->rc = (int)n;
			return INPUT_FAILED;
		}
		if (n == 0)
			return *made ? INPUT_MORE : in->member_open ? INPUT_TRUNCATED : INPUT_EOF;
		if (!in->member_open) {
			if (*in->raw.p == 0) {
				in->raw.p++;
				continue;
			}
			inflateReset(z);
			in->member_open = true;
		}
		z->next_in = (Bytef *)(uintptr_t)in->raw.p;
		z->avail_in = bytes_len(in->raw) < RAW_SIZE ? (uInt)bytes_len(in->raw) : RAW_SIZE;
		rc = inflate(z, Z_NO_FLUSH);
		in->raw.p = z->next_in;
		*made = room - z->avail_out;
		if (rc == Z_STREAM_END) {
			in->member_open = false;
		} else if (rc != Z_OK && rc != Z_BUF_ERROR) {
			in->why = z->msg ? z->msg : "wrong gzip data";
			return *made ? INPUT_MORE : INPUT_DAMAGED;
		}
	}
	return INPUT_MORE;
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

/* sniff_gzip turns a stream whose first bytes just came into a compressed one if they say so. */
static int sniff_gzip(struct input *in)
{
	size_t len = bytes_len(in->in);

	if (in->fd < 0 || in->end_offset != len || in->in.p[0] != 0x1f || len < 2 ||
		!is_gzip(in->in))
		return 0;
	in->raw_block = malloc(len > RAW_SIZE ? len : RAW_SIZE);
	if (in->raw_block == NULL)
		return -ENOMEM;
	memcpy(in->raw_block, in->in.p, len);
	in->in = bytes_of(in->block, 0);
	in->end_offset = 0;
	return unpack_start(in, bytes_of(in->raw_block, len));
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
	state = in->packed ? unpack(in, in->block + len, room, &made)
			   : plain(in, in->block + len, room, &made);
	in->in.end += made;
	in->end_offset += made;
	if (state == INPUT_MORE && !in->packed) {
		in->rc = sniff_gzip(in);
		if (in->rc < 0)
			return INPUT_FAILED;
		if (in->packed)
			return input_more(in);
	}
	return state;
}

int input_rewind(struct input *in)
{
	if (in->fd >= 0)
		return -ESPIPE;
	in->skip = 0;
	in->why = NULL;
	if (in->whole) {
		in->in = in->map;
		return 0;
	}
	in->in = bytes_of(in->block, 0);
	in->end_offset = 0;
	in->raw = in->map;
	if (in->packed) {
		inflateReset(in->z);
		in->member_open = true;
	}
	return 0;
}

void input_close(struct input *in)
{
	if (in->z)
		inflateEnd(in->z);
	free(in->z);
	free(in->block);
	free(in->raw_block);
	if (in->map_owned)
		munmap((void *)(uintptr_t)in->map.p, bytes_len(in->map));
	if (in->fd >= 0)
		close(in->fd);
	*in = (struct input){.fd = -1};
}
