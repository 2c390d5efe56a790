package authn

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/certmagic"
)

// TestS41StoreKey: the key is made once, by one of several machines, and what was made
// and cannot be read is never replaced.
func TestS41StoreKey(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	keys := make([][]byte, 4)
	var all sync.WaitGroup
	for i := range keys {
		all.Go(func() {
			key, err := storeKey(ctx, &certmagic.FileStorage{Path: dir})
			if err != nil {
				t.Error(err)
			}
			keys[i] = key
		})
	}
	all.Wait()
	for _, key := range keys {
		if len(key) != 32 || !bytes.Equal(key, keys[0]) || bytes.Equal(key, make([]byte, 32)) {
			t.Errorf("key %x", key)
		}
	}
	path := filepath.Join(dir, storeKeyName)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	for _, text := range []string{"", "00", "x" + strings.Repeat("0", 63)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := storeKey(ctx, &certmagic.FileStorage{Path: dir}); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
