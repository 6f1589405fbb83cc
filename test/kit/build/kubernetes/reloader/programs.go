//go:build programs

// Package reloader names what is built from this module, so that `go mod tidy` keeps it.
package reloader

import (
	_ "github.com/nats-io/nack/cmd/nats-server-config-reloader"
)
