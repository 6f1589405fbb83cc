// Reads a file of Prometheus rules on stdin and says what is wrong with it, as `promtool check rules` does. With a script
// as its argument it also evaluates the alerts over the script's series, as `promtool test rules` does, and prints those
// that fire at its end as JSON. promtool itself takes minutes to build for all that it can do besides.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
)

// Both the samples and the evaluations are a minute apart.
const interval = time.Minute

type script struct {
	// In the language of promqltest: `load 1m`, and a line for each series.
	Load    string `json:"load"`
	Minutes int    `json:"minutes"`
}

type firing struct {
	Alert       string            `json:"alert"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func main() {
	content, err := io.ReadAll(os.Stdin)
	if err != nil {
		fail(err)
	}
	groups, problems := rulefmt.Parse(content, false)
	if len(problems) > 0 {
		fail(problems...)
	}
	if len(os.Args) < 2 {
		return
	}
	var played script
	if err := json.Unmarshal([]byte(os.Args[1]), &played); err != nil {
		fail(err)
	}
	found, err := play(groups, played)
	if err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		fail(err)
	}
}

func play(groups *rulefmt.RuleGroups, played script) ([]firing, error) {
	loader, err := promqltest.NewLazyLoader(played.Load, promqltest.LazyLoaderOpts{})
	if err != nil {
		return nil, err
	}
	defer loader.Close()
	found := []firing{}
	query := rules.EngineQueryFunc(loader.QueryEngine(), loader.Storage())
	end := time.Unix(0, 0).Add(time.Duration(played.Minutes) * interval)
	var failure error
	loader.WithSamplesTill(end, func(err error) { failure = err })
	if failure != nil {
		return nil, failure
	}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			expression, err := parser.ParseExpr(rule.Expr)
			if err != nil {
				return nil, err
			}
			alert := rules.NewAlertingRule(rule.Alert, expression, time.Duration(rule.For), time.Duration(rule.KeepFiringFor),
				labels.FromMap(rule.Labels), labels.FromMap(rule.Annotations), labels.EmptyLabels(), "", true, promslog.NewNopLogger())
			for at := time.Unix(0, 0); !at.After(end); at = at.Add(interval) {
				if _, err := alert.Eval(context.Background(), 0, at, query, &url.URL{}, 0); err != nil {
					return nil, fmt.Errorf("%s: %w", rule.Alert, err)
				}
			}
			for _, active := range alert.ActiveAlerts() {
				if active.State == rules.StateFiring {
					found = append(found, firing{rule.Alert, active.Labels.Map(), active.Annotations.Map()})
				}
			}
		}
	}
	return found, nil
}

func fail(problems ...error) {
	for _, problem := range problems {
		fmt.Fprintln(os.Stderr, problem)
	}
	os.Exit(1)
}
