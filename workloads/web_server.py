"""A small web server in a Pod: one folder with an index page, as Alluxio's under store for http:// needs it.

Alluxio 2.9 accepts a page as a folder when its title begins with "Index of", and asks for the size
and the time of change of a file by HEAD (underfs/web, WebUnderFileSystem.java).
"""

from __future__ import annotations

from typing import Final

from workloads.models.base import Manifest, metadata

PORT: Final = 8000

#: Serves one file and the index that names it; one request after another, the connection closed each time.
_SERVE: Final = r"""
use strict; use warnings; use IO::Socket::INET;
my ($port, $name, $text) = @ARGV;
my $index = "<html><head><title>Index of /</title></head><body><pre><a href=\"../\">../</a>\n"
  . "<a href=\"$name\">$name</a></pre></body></html>\n";
$SIG{TERM} = sub { exit 0 };
my $server = IO::Socket::INET->new(LocalPort => $port, Listen => 16, ReuseAddr => 1)
  or die "cannot listen: $!";
while (1) {
  my $client = $server->accept or next;
  my ($method, $path) = split / /, (<$client> // "");
  while (defined(my $line = <$client>)) { last if $line =~ /^\r?\n$/ }
  if (defined $path) {
    my ($status, $type, $body) = ("404 Not Found", "text/plain", "not found\n");
    ($status, $type, $body) = ("200 OK", "text/html", $index) if $path eq "/" || $path eq "";
    ($status, $type, $body) = ("200 OK", "text/plain", $text) if $path eq "/$name";
    my $length = length $body;
    print $client "HTTP/1.1 $status\r\nContent-Type: $type\r\nContent-Length: $length\r\n"
      . "Last-Modified: Sun, 06 Nov 2022 08:49:37 GMT\r\nConnection: close\r\n\r\n";
    print $client $body if $method ne "HEAD";
  }
  close $client;
}
"""


def web_server(namespace: str, name: str, image: str, file: str, text: str) -> Manifest:
    """A Pod that serves ``/`` as an index and ``/<file>`` as ``text``; the image needs Perl.

    Args:
        namespace: of the Pod.
        name: of the Pod.
        image: what it runs in.
        file: name of the only file.
        text: what it holds; ASCII.
    """
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(name, namespace),
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 2,
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "web",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["perl", "-e", _SERVE, str(PORT), file, text],
                    "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
                    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
                }
            ],
        },
    }
