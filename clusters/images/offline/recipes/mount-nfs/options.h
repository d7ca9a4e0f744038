/* What mount(8) asked for. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* Exit codes of mount(8) helpers. */
enum { MOUNT_OK = 0, MOUNT_USAGE = 1, MOUNT_SYSTEM = 2, MOUNT_FAILED = 32 };

enum { MAX_CONNECTIONS = 16, MAX_TRANSFER = 1 << 20 };

struct options {
	const char *source;     /* SERVER:/EXPORT, as given */
	char *server;           /* name or address, no brackets */
	const char *export;     /* the part from the first slash on */
	char *target;           /* canonical mount point */
	char *asked;            /* every -o text, joined by commas */
	char version[8];        /* the NFS version asked for, "" for none */
	char vfs[256];          /* flags for the kernel's mount, each after a comma */

	bool read_only;
	bool soft;
	bool sync;
	bool sloppy;
	bool fake;
	bool verbose;
	int soft_errno;         /* what a soft mount's caller gets: EIO or ETIMEDOUT */
	int timeo;              /* tenths of a second */
	int retrans;
	int port;               /* 0: ask the portmapper */
	int mount_port;         /* 0: ask the portmapper */
	int connections;
	int rsize;              /* bytes, page-sized steps */
	int wsize;              /* bytes, page-sized steps */
	int attribute_seconds;  /* how long the kernel may believe attributes */
};

/* Read the command line; MOUNT_OK, or an exit code after one line on stderr. */
int options_parse(struct options *options, int argc, char **argv);

#endif
