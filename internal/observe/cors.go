package observe

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

var crossOrigin = prometheus.NewCounterVec(prometheus.CounterOpts{
	Namespace: "caddy", Subsystem: "policy_auth", Name: "cors_refused_total",
	Help: "Preflights and cross-origin requests that the cors block does not allow, by what is not allowed.",
}, []string{"refused"})

// CrossOrigin is a cross-origin request that the site's cors block does not allow. Its
// texts come from the client and are not trusted.
type CrossOrigin struct {
	// Preflight tells a preflight from a request whose answer scripts cannot read.
	Preflight bool
	// What is origin, method, header or preflight, and Value the one not allowed.
	What, Value string
	// Origin, Method and Headers are what was asked for.
	Origin, Method, Headers string
	// RequestID, Host, Path and ClientIP are the request's.
	RequestID, Host, Path, ClientIP string
}

// Sampled returns a logger that writes ten lines of one message a minute and then
// every hundredth, for messages that clients can cause at any rate. It takes half a
// megabyte, from the first message on.
func Sampled(logger *zap.Logger) *zap.Logger {
	return logger.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return &sampler{core, sync.OnceValue(func() zapcore.Core { return zapcore.NewSamplerWithOptions(core, time.Minute, 10, 100) })}
	}))
}

// sampler makes zap's sampler when the first message comes.
type sampler struct {
	zapcore.Core
	made func() zapcore.Core
}

func (s *sampler) With(fields []zapcore.Field) zapcore.Core { return s.made().With(fields) }

func (s *sampler) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !s.Enabled(entry.Level) {
		return checked
	}
	return s.made().Check(entry, checked)
}

// LogCrossOrigin counts the request and writes one line at info.
func LogCrossOrigin(logger *zap.Logger, c CrossOrigin) {
	crossOrigin.WithLabelValues(c.What).Inc()
	message := "origin not allowed by cors"
	if c.Preflight {
		message = "preflight refused by cors"
	}
	entry := logger.Check(zapcore.InfoLevel, message)
	if entry == nil {
		return
	}
	entry.Write(
		zap.String("request_id", c.RequestID), zap.String("refused", c.What), zap.String("value", clean(c.Value)),
		zap.String("origin", clean(c.Origin)), zap.String("requested_method", clean(c.Method)), zap.String("requested_headers", clean(c.Headers)),
		zap.String("host", clean(c.Host)), zap.String("path", clean(c.Path)), zap.String("client_ip", c.ClientIP),
	)
}
