package login

import (
	"context"
	"encoding/json"
	"errors"
	"github.com/policyauth/caddy-policy-auth/internal/store"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// begin begins a transaction in the env's browser.
func (w *env) begin(t *testing.T) (string, error) {
	t.Helper()
	r := httptest.NewRequest("GET", origin+LoginPath, nil)
	for name, value := range w.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	recorder := httptest.NewRecorder()
	state := randomToken()
	err := w.visitOf(recorder, r).Begin(context.Background(), state, Transaction{Login: "staff", ReturnTo: "/mail", Data: json.RawMessage(`{"nonce":"n"}`)})
	for _, cookie := range recorder.Result().Cookies() {
		w.cookies[cookie.Name] = cookie.Value
	}
	return state, err
}

// take goes on with one.
func (w *env) take(state string) (Transaction, error) {
	r := httptest.NewRequest("GET", origin+CallbackPath+"staff", nil)
	for name, value := range w.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return w.visitOf(httptest.NewRecorder(), r).Take(context.Background(), state)
}

// TestTransaction: T-57, R-OID-3. A state is good once, for ten minutes, and in the
// browser that began.
func TestTransaction(t *testing.T) {
	tests := []struct {
		name string
		do   func(w *env, state *string)
		want error
	}{
		{"as it should be", func(*env, *string) {}, nil},
		{"just in time", func(w *env, _ *string) { w.advance(transactionTime - time.Nanosecond) }, nil},
		{"too late", func(w *env, _ *string) { w.advance(transactionTime) }, ErrState},
		{"another browser", func(w *env, _ *string) { w.cookies = map[string]string{} }, ErrState},
		{"another browser with a cookie", func(w *env, _ *string) { w.cookies["__Host-policy_auth_login"] = randomToken() }, ErrState},
		{"used", func(w *env, state *string) { _, _ = w.take(*state) }, ErrUsed},
		{"none", func(_ *env, state *string) { *state = "" }, ErrState},
		{"another", func(_ *env, state *string) { *state = randomToken() }, ErrState},
		{"changed", func(_ *env, state *string) { *state = "A" + (*state)[1:] + "A" }, ErrState},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newEnv(t)
			state, err := w.begin(t)
			if err != nil || len(state) != 43 {
				t.Fatal(state, err)
			}
			test.do(w, &state)
			got, err := w.take(state)
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v", err)
			}
			if err == nil && (got.Login != "staff" || got.ReturnTo != "/mail" || string(got.Data) != `{"nonce":"n"}`) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestTransactions: somebody may begin in several tabs, and a stranger not without end.
func TestTransactions(t *testing.T) {
	w := newEnv(t)
	first, _ := w.begin(t)
	second, _ := w.begin(t)
	for _, state := range []string{second, first} {
		if _, err := w.take(state); err != nil {
			t.Error(err)
		}
	}
	for range maxPerClient - 2 {
		if _, err := w.begin(t); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.begin(t); !errors.Is(err, ErrTooMany) {
		t.Errorf("got %v", err)
	}
	w.client = w.client.Next()
	if _, err := w.begin(t); err != nil {
		t.Errorf("another client: %v", err)
	}
}

// TestN10TakenAtOnce: of many that take one state at the same moment, one alone
// gets the transaction.
func TestN10TakenAtOnce(t *testing.T) {
	w := newEnv(t)
	const takers = 16
	m := &meeting{Store: w.store, arrive: make(chan struct{}, takers), leave: make(chan struct{})}
	w.Sessions = w.sessionsIn(m)
	state, err := w.begin(t)
	if err != nil {
		t.Fatal(err)
	}
	m.key = transactionKey(state)
	got := make(chan Transaction, takers)
	var group sync.WaitGroup
	for range takers {
		group.Go(func() {
			taken, err := w.take(state)
			switch {
			case err == nil:
				got <- taken
			case !errors.Is(err, ErrUsed):
				t.Error(err)
			}
		})
	}
	for range takers {
		<-m.arrive
	}
	close(m.leave)
	group.Wait()
	if len(got) != 1 {
		t.Fatalf("%d took the transaction", len(got))
	}
	if taken := <-got; string(taken.Data) != `{"nonce":"n"}` {
		t.Errorf("got %+v", taken)
	}
}

// meeting is a store whose readers of one key wait for each other, so that all of
// them have read it before any goes on.
type meeting struct {
	store.Store
	key           string
	arrive, leave chan struct{}
}

func (m *meeting) Get(ctx context.Context, key string) ([]byte, error) {
	value, err := m.Store.Get(ctx, key)
	if key == m.key {
		m.arrive <- struct{}{}
		<-m.leave
	}
	return value, err
}
