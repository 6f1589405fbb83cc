//go:build programs

// Package kubelet names what is built from this module, so that `go mod tidy` keeps it.
package kubelet

import (
	_ "k8s.io/kubernetes/cmd/kubelet/app"
)
