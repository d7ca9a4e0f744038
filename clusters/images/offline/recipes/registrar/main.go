// Registers a CSI driver with kubelet, in the place of csi-node-driver-registrar.
//
// It asks the driver for its name over the CSI identity service, and then
// answers kubelet's plugin watcher on a socket of its own (kubelet's plugin
// registration API v1: kubelet looks for sockets in its plugins_registry
// folder, calls GetInfo, and tells the outcome by NotifyRegistrationStatus).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

const (
	driverDeadline = 2 * time.Minute // for the driver's first answer
	socketCheck    = time.Second     // how soon a removed socket is noticed
)

// settings are the flags of csi-node-driver-registrar that mean something here.
type settings struct {
	csiAddress   string        // the driver's socket, as this container sees it
	kubeletPath  string        // the same socket, as kubelet sees it
	registryPath string        // kubelet's plugins_registry, as this container sees it
	timeout      time.Duration // of one call to the driver
}

func parse(arguments []string) (settings, error) {
	var found settings
	flags := flag.NewFlagSet("registrar", flag.ContinueOnError)
	flags.StringVar(&found.csiAddress, "csi-address", "/run/csi/socket", "the driver's socket")
	flags.StringVar(&found.kubeletPath, "kubelet-registration-path", "", "the driver's socket on the host")
	flags.StringVar(&found.registryPath, "plugin-registration-path", "/registration", "folder that kubelet watches")
	flags.DurationVar(&found.timeout, "timeout", time.Second, "time for one call to the driver")
	// Taken so that a chart written for the original starts; nothing is done about them.
	for _, name := range []string{"v", "vmodule", "http-endpoint", "health-port", "mode", "operation-timeout",
		"connection-timeout", "log_dir", "log_file", "stderrthreshold"} {
		flags.String(name, "", "ignored")
	}
	for _, name := range []string{"logtostderr", "alsologtostderr", "version", "enable-pprof"} {
		flags.Bool(name, false, "ignored")
	}
	if err := flags.Parse(arguments); err != nil {
		return found, err
	}
	if found.kubeletPath == "" {
		return found, errors.New("--kubelet-registration-path is missing")
	}
	found.csiAddress = strings.TrimPrefix(found.csiAddress, "unix://")
	return found, nil
}

// driverName asks the driver until it answers, or the context ends.
func driverName(ctx context.Context, address string, timeout time.Duration) (string, error) {
	connection, err := grpc.NewClient("unix://"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return "", err
	}
	defer connection.Close()
	identity := csi.NewIdentityClient(connection)
	last := errors.New("not asked yet")
	pause := time.NewTicker(time.Second)
	defer pause.Stop()
	for {
		call, cancel := context.WithTimeout(ctx, timeout)
		info, err := identity.GetPluginInfo(call, &csi.GetPluginInfoRequest{})
		cancel()
		if err == nil && info.GetName() != "" {
			return info.GetName(), nil
		}
		if err == nil {
			return "", fmt.Errorf("the driver at %s has no name", address)
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("the driver at %s did not answer: %w", address, last)
		case <-pause.C:
		}
	}
}

// server answers kubelet about one driver.
type server struct {
	name     string
	endpoint string
	refused  chan error // what kubelet said when it would not register the driver
}

func (s *server) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	log.Printf("kubelet asks about %s", s.name)
	return &registration.PluginInfo{
		Type:              registration.CSIPlugin,
		Name:              s.name,
		Endpoint:          s.endpoint,
		SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (s *server) NotifyRegistrationStatus(
	_ context.Context, status *registration.RegistrationStatus,
) (*registration.RegistrationStatusResponse, error) {
	if status.PluginRegistered {
		log.Printf("kubelet registered %s", s.name)
	} else {
		select {
		case s.refused <- fmt.Errorf("kubelet refused %s: %s", s.name, status.Error):
		default: // one refusal is enough to end
		}
	}
	return &registration.RegistrationStatusResponse{}, nil
}

// removed returns once the path no longer is the socket that was there at first.
func removed(ctx context.Context, path string, first os.FileInfo) error {
	ticker := time.NewTicker(socketCheck)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		now, err := os.Lstat(path)
		if err != nil || !os.SameFile(first, now) {
			return nil
		}
	}
}

// serve answers on the socket until it is removed (nil), kubelet refuses, or
// the context ends.
func serve(ctx context.Context, plugin *server, path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	// A successor may have put its own socket there by the time this one closes.
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	socket, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return listener.Close() // removed already: another round
	}
	if err != nil {
		return err
	}
	service := grpc.NewServer()
	registration.RegisterRegistrationServer(service, plugin)
	failed := make(chan error, 1)
	go func() { failed <- service.Serve(listener) }()
	defer service.Stop()

	watch, cancel := context.WithCancel(ctx)
	defer cancel()
	gone := make(chan error, 1)
	go func() { gone <- removed(watch, path, socket) }()
	log.Printf("waiting for kubelet on %s", path)
	select {
	case err := <-failed:
		return err
	case err := <-plugin.refused:
		return err
	case err := <-gone:
		return err
	}
}

func run(ctx context.Context, arguments []string) error {
	found, err := parse(arguments)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, driverDeadline)
	name, err := driverName(limited, found.csiAddress, found.timeout)
	cancel()
	if err != nil {
		return err
	}
	log.Printf("the driver at %s is %s", found.csiAddress, name)
	path := filepath.Join(found.registryPath, name+"-reg.sock")
	plugin := &server{name: name, endpoint: found.kubeletPath, refused: make(chan error, 1)}
	for {
		err := serve(ctx, plugin, path)
		if ctx.Err() != nil {
			// kubelet takes the driver off its list when the socket goes.
			return os.Remove(path)
		}
		if err != nil {
			return err
		}
		log.Printf("%s was removed; registering again", path)
	}
}

func main() {
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "registrar:", err)
		os.Exit(1)
	}
}
