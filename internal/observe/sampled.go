package observe

import (
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

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
