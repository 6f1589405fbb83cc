// Reads a file of Prometheus rules on stdin and says what is wrong with it, as `promtool check rules` does, which takes
// minutes to build for all that it can do besides.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/prometheus/prometheus/model/rulefmt"
)

func main() {
	content, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_, problems := rulefmt.Parse(content, false)
	for _, problem := range problems {
		fmt.Fprintln(os.Stderr, problem)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
}
