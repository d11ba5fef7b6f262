package inspector

import (
	"crypto/subtle"
	"embed"
	"net"
	"net/http"
)

// tokenHeader carries the token. A cookie would also be sent to other programs
// on this machine, since cookies do not distinguish ports.
const tokenHeader = "X-Inspector-Token"

//go:embed page
var page embed.FS

// policy lets the page load only its own files, and no other site embed it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// handler returns the handler for the page and its API at an address.
func (i *Inspector) handler(addr net.Addr) http.Handler {
	api := http.NewServeMux()
	api.HandleFunc("GET /api/about", i.about)
	api.HandleFunc("GET /api/events", i.events)
	api.HandleFunc("GET /api/requests/{number}", i.details)
	api.HandleFunc("GET /api/requests/{number}/raw", i.raw)
	api.HandleFunc("GET /api/requests/{number}/curl", i.curl)
	api.HandleFunc("POST /api/requests/{number}/replay", i.replay)
	api.HandleFunc("POST /api/requests/{number}/edit", i.edit)
	api.HandleFunc("GET /api/attempts/{number}", i.answer)
	api.HandleFunc("GET /api/log", i.log)
	api.HandleFunc("GET /api/queue", i.queue)
	api.HandleFunc("POST /api/queue/retry", i.changeQueue)
	api.HandleFunc("POST /api/queue/drop", i.changeQueue)
	files := http.NewServeMux()
	for path, file := range map[string]string{"/{$}": "index.html", "/app.js": "app.js", "/style.css": "style.css"} {
		files.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, page, "page/"+file) })
	}
	files.Handle("/api/", i.authorized(api))
	return i.local(addr, files)
}

// local answers only requests to this address that come from the page itself.
func (i *Inspector) local(addr net.Addr, next http.Handler) http.Handler {
	hosts := map[string]bool{addr.String(): true}
	if _, port, err := net.SplitHostPort(addr.String()); err == nil {
		hosts["localhost:"+port] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		origin := r.Header.Get("Origin")
		if !hosts[r.Host] || origin != "" && origin != "http://"+r.Host {
			http.Error(w, "this address serves only its own page", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// authorized answers only requests with the token.
func (i *Inspector) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get(tokenHeader)), []byte(i.token)) != 1 {
			http.Error(w, "open the URL that listen printed: its end is the token", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
