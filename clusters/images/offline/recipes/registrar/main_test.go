package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

const driver = "fuse.csi.fluid.io"

type identity struct {
	csi.UnimplementedIdentityServer
	name string
}

func (i *identity) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: i.name}, nil
}

func startDriver(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "csi.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	service := grpc.NewServer()
	csi.RegisterIdentityServer(service, &identity{name: name})
	go service.Serve(listener)
	t.Cleanup(service.Stop)
	return path
}

// kubelet calls what listens on the socket, waiting until something does.
func kubelet(t *testing.T, path string) registration.RegistrationClient {
	t.Helper()
	connection, err := grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return registration.NewRegistrationClient(connection)
}

func start(t *testing.T, arguments ...string) (context.CancelFunc, <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, arguments) }()
	t.Cleanup(cancel)
	return cancel, ended
}

func outcome(t *testing.T, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("the program did not end")
		return nil
	}
}

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestKubeletLearnsTheDriverAndAgainAfterTheSocketWasRemoved(t *testing.T) {
	registry := t.TempDir()
	path := filepath.Join(registry, driver+"-reg.sock")
	cancel, ended := start(t, "--csi-address", startDriver(t, driver), "--v=5", "--timeout=2s", "--http-endpoint=:1",
		"--kubelet-registration-path=/host/csi.sock", "--plugin-registration-path", registry)

	for range 2 {
		client := kubelet(t, path)
		info, err := client.GetInfo(limited(t), &registration.InfoRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if info.Type != registration.CSIPlugin || info.Name != driver || info.Endpoint != "/host/csi.sock" ||
			len(info.SupportedVersions) == 0 {
			t.Fatalf("info = %v", info)
		}
		if _, err := client.NotifyRegistrationStatus(limited(t),
			&registration.RegistrationStatus{PluginRegistered: true}); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}

	if _, err := kubelet(t, path).GetInfo(limited(t), &registration.InfoRequest{}); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := outcome(t, ended); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Fatalf("the socket outlived the program: %v", err)
	}
}

func TestRefusalByKubeletEndsTheProgramWithItsReason(t *testing.T) {
	registry := t.TempDir()
	_, ended := start(t, "--csi-address="+startDriver(t, driver), "--kubelet-registration-path=/host/csi.sock",
		"--plugin-registration-path="+registry)
	client := kubelet(t, filepath.Join(registry, driver+"-reg.sock"))
	// The program may end before this call is answered.
	_, _ = client.NotifyRegistrationStatus(limited(t), &registration.RegistrationStatus{Error: "not wanted"})
	if err := outcome(t, ended); err == nil || !strings.Contains(err.Error(), "not wanted") {
		t.Fatalf("error = %v", err)
	}
}

func TestDriverThatNeverAnswersIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nobody.sock")
	ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
	defer cancel()
	if _, err := driverName(ctx, path, 200*time.Millisecond); err == nil || !strings.Contains(err.Error(), path) {
		t.Fatalf("error = %v", err)
	}
}

func TestDriverThatComesLateIsFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "late.sock")
	late := startDriver(t, driver)
	go func() {
		time.Sleep(1200 * time.Millisecond)
		os.Symlink(late, path)
	}()
	if name, err := driverName(limited(t), path, time.Second); err != nil || name != driver {
		t.Fatalf("name = %q, error = %v", name, err)
	}
}

func TestDriverWithoutANameIsAnError(t *testing.T) {
	if name, err := driverName(limited(t), startDriver(t, ""), time.Second); err == nil {
		t.Fatalf("name = %q", name)
	}
}

func TestMissingOrUnknownFlagsAreErrors(t *testing.T) {
	for _, arguments := range [][]string{{}, {"--kubelet-registration-path=/a", "--no-such-flag"}} {
		if _, err := parse(arguments); err == nil {
			t.Errorf("parse(%v): no error", arguments)
		}
	}
}
