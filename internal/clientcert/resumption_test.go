package clientcert

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/clientcert/certtest"
)

// handshake connects a client to a server and returns the connection as the server has it.
func handshake(t *testing.T, server, client *tls.Config) tls.ConnectionState {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // which keeps what neither side reads yet
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	near, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	accepted := tls.Server(far, server)
	done := make(chan error, 1)
	go func() {
		_, err := accepted.Write([]byte("x")) // with it the client gets its ticket
		done <- err
	}()
	if _, err := tls.Client(near, client).Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return accepted.ConnectionState()
}

// TestS20Resumed: S-20, R-MT-5. On a resumed TLS session the certificate of the first one
// counts if it is still valid, and not a moment longer.
func TestS20Resumed(t *testing.T) {
	ca, servers := certtest.New(t, "root"), certtest.New(t, "servers")
	trusted, clients := x509.NewCertPool(), x509.NewCertPool()
	trusted.AddCert(servers.Certificate)
	clients.AddCert(ca.Certificate)
	for name, test := range map[string]struct {
		mode  tls.ClientAuthType
		roots func() *Roots
	}{
		"own roots":         {tls.RequestClientCert, rootsOf(t, ca)},
		"by the TLS server": {tls.VerifyClientCertIfGiven, nil},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			leaf := ca.Issue(t, named)
			server := &tls.Config{Certificates: []tls.Certificate{servers.Server(t, "example.com")}, ClientAuth: test.mode, ClientCAs: clients, MaxVersion: version}
			client := &tls.Config{RootCAs: trusted, ServerName: "example.com", Certificates: []tls.Certificate{leaf}, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
			v := newVerifier(t, test.roots)
			for _, resumed := range []bool{false, true} {
				state := handshake(t, server, client)
				if state.DidResume != resumed {
					t.Fatalf("%s, %s: resumed is %v", name, tls.VersionName(version), state.DidResume)
				}
				if caller := v.Connection(&state, time.Now()); caller == nil || caller.Identity == nil {
					t.Errorf("%s, %s, resumed %v: %+v", name, tls.VersionName(version), resumed, caller)
				}
				if caller := v.Connection(&state, leaf.Leaf.NotAfter.Add(time.Second)); caller.Identity != nil || caller.Err != errExpired {
					t.Errorf("%s, %s, resumed %v, expired: %+v", name, tls.VersionName(version), resumed, caller)
				}
			}
		}
	}
}
