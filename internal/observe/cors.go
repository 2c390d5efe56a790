package observe

import (
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
