// One program that answers to the name of every Kubernetes command.
//
// The commands share most of their packages, so linking them together
// compiles those once and lets one image layer serve all of them.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubeadm "k8s.io/kubernetes/cmd/kubeadm/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// served maps a command's name to how it runs; each returns an exit code.
var served = map[string]func() int{
	"kube-apiserver":          cobraCommand(func() *cobra.Command { return apiserver.NewAPIServerCommand() }),
	"kube-controller-manager": cobraCommand(controllers.NewControllerManagerCommand),
	"kube-proxy":              cobraCommand(proxy.NewProxyCommand),
	"kube-scheduler":          cobraCommand(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kubectl":                 cobraCommand(kubectl.NewDefaultKubectlCommand),
	"kubelet":                 cobraCommand(kubeletCommand),
	"kubeadm":                 runKubeadm,
}

func cobraCommand(make func() *cobra.Command) func() int {
	return func() int { return cli.Run(make()) }
}

// kubeletCommand calls NewKubeletCommand without arguments, as up to 1.33, or with a context, as since 1.34.
func kubeletCommand() *cobra.Command {
	create := reflect.ValueOf(kubelet.NewKubeletCommand)
	arguments := []reflect.Value{reflect.ValueOf(context.Background())}
	return create.Call(arguments[:create.Type().NumIn()])[0].Interface().(*cobra.Command)
}

func runKubeadm() int {
	if err := kubeadm.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func main() {
	name := filepath.Base(os.Args[0])
	run, ok := served[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "this program is called by one of %v, not %q\n",
			slices.Sorted(maps.Keys(served)), name)
		os.Exit(2)
	}
	os.Exit(run())
}
