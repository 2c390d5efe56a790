package testenv

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2"
)

func init() { caddy.RegisterModule(new(logCore)) }

// cores are the cores of running tests by their ids, which configurations name.
var (
	cores  sync.Map
	lastID atomic.Int64
)

// register lets a configuration of Caddy's log to a core until the test ends, and
// returns the JSON that names it.
func register(t testing.TB, core zapcore.Core) json.RawMessage {
	id := strconv.FormatInt(lastID.Add(1), 10)
	cores.Store(id, core)
	t.Cleanup(func() { cores.Delete(id) })
	return json.RawMessage(`{"module": "testenv", "id": "` + id + `"}`)
}

// logCore is a module of Caddy's that logs to a registered core.
type logCore struct {
	ID           string `json:"id"`
	zapcore.Core `json:"-"`
}

// CaddyModule implements caddy.Module.
func (*logCore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.logging.cores.testenv", New: func() caddy.Module { return new(logCore) }}
}

// Provision implements caddy.Provisioner.
func (c *logCore) Provision(caddy.Context) error {
	core, ok := cores.Load(c.ID)
	if !ok {
		return fmt.Errorf("no test has registered the core %s", c.ID)
	}
	c.Core = core.(zapcore.Core)
	return nil
}
