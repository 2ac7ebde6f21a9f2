// Drives an external scaler with KEDA's own client code, as KEDA's operator does, and prints what it got as one
// line of JSON. The cluster tests judge it.
//
//	keda-client [flags] value ADDRESS           the metric's spec, its value and whether it is active
//	keda-client [flags] push ADDRESS...         -count push scalers, dealt out over the addresses: how many were told "active", and when (Unix seconds)
//	keda-client [flags] specs ADDRESS           the first metric spec that the scaler streams
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/kedacore/keda/v2/pkg/scalers"
	"github.com/kedacore/keda/v2/pkg/scalers/scalersconfig"
	v2 "k8s.io/api/autoscaling/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// pairs collects a repeated flag KEY=VALUE.
type pairs map[string]string

func (p pairs) String() string { return "" }

func (p pairs) Set(text string) error {
	key, value, found := strings.Cut(text, "=")
	if !found {
		return errors.New("expected KEY=VALUE")
	}
	p[key] = value
	return nil
}

// files collects a repeated flag KEY=FILE: what stands in the file is the value.
type files map[string]string

func (f files) String() string { return "" }

func (f files) Set(text string) error {
	key, path, found := strings.Cut(text, "=")
	if !found {
		return errors.New("expected KEY=FILE")
	}
	content, err := os.ReadFile(path)
	f[key] = string(content)
	return err
}

// trigger is what a ScaledObject's trigger says, and the object that it stands in.
type trigger struct {
	namespace, name string
	index           int
	metricType      string
	metadata        pairs
	auth            files
}

// spec is one metric spec as KEDA puts it into the HPA.
type spec struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Milli int64  `json:"milli"`
}

// ending is set once the answer is known.
var ending atomic.Bool

func main() {
	trigger := trigger{metadata: pairs{}, auth: files{}}
	flag.StringVar(&trigger.namespace, "namespace", "default", "the object's namespace")
	flag.StringVar(&trigger.name, "name", "object", "the object's name; push adds a number")
	flag.IntVar(&trigger.index, "index", 0, "the trigger's place in the object")
	flag.StringVar(&trigger.metricType, "metric-type", "", "AverageValue or Value")
	flag.Var(trigger.metadata, "metadata", "KEY=VALUE of the trigger's metadata, repeated")
	flag.Var(trigger.auth, "auth", "KEY=FILE of its authentication (caCert, tlsClientCert, tlsClientKey), repeated")
	count := flag.Int("count", 1, "push: how many scalers")
	patience := flag.Duration("patience", 10*time.Second, "how long to wait in all")
	flag.Parse()

	// What KEDA's client logs is how it tells errors that it does not return; that its own end ends its calls is none.
	log.SetLogger(funcr.New(func(prefix, args string) {
		if !ending.Load() {
			fmt.Fprintln(os.Stderr, prefix, args)
		}
	}, funcr.Options{}))
	ctx, cancel := context.WithTimeout(context.Background(), *patience)
	defer cancel()
	command, addresses := flag.Arg(0), flag.Args()[min(1, flag.NArg()):]
	if len(addresses) == 0 {
		flag.Usage()
		os.Exit(2)
	}
	var result any
	var err error
	switch command {
	case "value":
		result, err = value(ctx, trigger.at(addresses[0]))
	case "push":
		result, err = push(ctx, trigger, addresses, *count)
	case "specs":
		result, err = streamedSpecs(ctx, trigger.at(addresses[0]))
	default:
		err = fmt.Errorf("no command %q: value, push or specs", command)
	}
	if err != nil {
		result = map[string]string{"error": err.Error()}
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// at is what KEDA's operator makes of the trigger when its scalerAddress is address.
func (t trigger) at(address string) *scalersconfig.ScalerConfig {
	metadata := maps.Clone(t.metadata)
	metadata["scalerAddress"] = address
	return &scalersconfig.ScalerConfig{
		ScalableObjectName:      t.name,
		ScalableObjectNamespace: t.namespace,
		TriggerIndex:            t.index,
		TriggerMetadata:         metadata,
		AuthParams:              t.auth,
		MetricType:              v2.MetricTargetType(t.metricType),
	}
}

// value asks as one poll of a ScaledObject does.
func value(ctx context.Context, config *scalersconfig.ScalerConfig) (any, error) {
	scaler, err := scalers.NewExternalScaler(config)
	if err != nil {
		return nil, err
	}
	specs := read(scaler.GetMetricSpecForScaling(ctx))
	if len(specs) == 0 {
		return nil, errors.New("empty metric spec")
	}
	values, active, err := scaler.GetMetricsAndActivity(ctx, specs[0].Name)
	if err != nil {
		return nil, err
	}
	milli := make([]int64, len(values))
	for i, value := range values {
		milli[i] = value.Value.MilliValue()
	}
	return map[string]any{"specs": specs, "milli": milli, "active": active}, nil
}

// push opens all streams and waits until every scaler was told that it is active, or for as long as ctx lasts.
func push(ctx context.Context, t trigger, addresses []string, count int) (any, error) {
	started := time.Now()
	running, stop := context.WithCancel(ctx)
	defer stop()
	var ended sync.WaitGroup
	told := make(chan struct{}, count)
	for i := range count {
		one := t
		one.name = fmt.Sprintf("%s-%d", t.name, i)
		scaler, err := scalers.NewExternalPushScaler(one.at(addresses[i%len(addresses)]))
		if err != nil {
			return nil, err
		}
		active := make(chan bool)
		ended.Go(func() { scaler.Run(running, active) })
		ended.Go(func() {
			first := true
			for is := range active {
				if is && first {
					first = false
					told <- struct{}{}
				}
			}
		})
	}
	received := 0
	var first, last time.Time
	for received < count && ctx.Err() == nil {
		select {
		case <-told:
			last = time.Now()
			if received == 0 {
				first = last
			}
			received++
		case <-ctx.Done():
		}
	}
	seconds := time.Since(started).Seconds()
	ending.Store(true)
	stop()
	ended.Wait()
	return map[string]any{
		"active": received, "of": count, "seconds": seconds,
		"first": unix(first), "last": unix(last),
	}, nil
}

// unix is an instant in seconds, so that another program can hold it against its own clock.
func unix(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return float64(at.UnixMicro()) / 1e6
}

// streamedSpecs waits for the first update of StreamMetricSpec, which KEDA asks for since 2.21.
func streamedSpecs(ctx context.Context, config *scalersconfig.ScalerConfig) (any, error) {
	scaler, err := scalers.NewExternalPushScaler(config)
	if err != nil {
		return nil, err
	}
	streamer, ok := scaler.(scalers.MetricSpecStreamer)
	if !ok {
		return nil, errors.New("this KEDA streams no metric specs")
	}
	active := make(chan bool)
	go scaler.Run(ctx, active)
	go func() {
		for range active {
		}
	}()
	select {
	case update := <-streamer.MetricSpecChan():
		return map[string]any{"specs": read(update)}, nil
	case <-ctx.Done():
		return nil, errors.New("no metric spec was streamed")
	}
}

func read(all []v2.MetricSpec) []spec {
	specs := make([]spec, len(all))
	for i, one := range all {
		target := one.External.Target
		quantity := target.AverageValue
		if quantity == nil {
			quantity = target.Value
		}
		specs[i] = spec{Name: one.External.Metric.Name, Type: string(target.Type), Milli: quantity.MilliValue()}
	}
	return specs
}
