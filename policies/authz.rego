# Who may do what on a core. Asked before any request is routed.
#
# input.principal  anonymous, admin, or plugin/<name> (from the certificate)
# data.open        true only in `gossamer dev`, on loopback: everybody may do everything
# data.anonymous_pull  false closes pulling to strangers; it is public otherwise
#
# Action forward lets the request through; deny carries the status and what to tell the client.
package authz

import rego.v1

default output := {"action": "deny", "status": 403, "reason": "not allowed for this principal"}

output := {"action": "forward"} if {
	data.open == true
} else := {"action": "forward"} if {
	input.principal == "admin"
} else := {"action": "forward"} if {
	is_public
} else := {"action": "forward"} if {
	is_own
} else := {"action": "deny", "status": 401, "reason": "authentication required"} if {
	not startswith(input.principal, "plugin/")
}

reads := {"GET", "HEAD"}

pull_is_public if not data.anonymous_pull == false

# Pulling is public: manifests, tags, referrers, blobs, and the artifacts that plugins make of them.
is_public if {
	input.method in reads
	input.path in {"/", "/livez", "/readyz", "/metrics", "/api/v1/version"}
}

is_public if {
	pull_is_public
	input.method in reads
	input.path == "/v2"
}

is_public if {
	pull_is_public
	input.method in reads
	startswith(input.path, "/v2/")
	not startswith(input.path, "/v2/_")
	not contains(input.path, "/blobs/uploads/")
}

is_public if {
	pull_is_public
	input.method in reads
	startswith(input.path, "/artifacts/")
	not is_management
}

# Documentation of a management API.
is_public if {
	input.method in reads
	regex.match(`^/artifacts/[a-z0-9-]+/api/v1/doc/`, input.path)
}

# Beskar's management calls change state by GET too.
is_management if {
	regex.match(`^/artifacts/[^/]+/+api(/|$)`, input.path)
}

# A plugin does as it likes in its own repositories, and sees the catalog.
is_own if {
	name := trim_prefix(input.principal, "plugin/")
	name != input.principal
	startswith(input.path, sprintf("/v2/artifacts/%s/", [name]))
}

is_own if {
	input.method in reads
	startswith(input.principal, "plugin/")
	startswith(input.path, "/v2/")
}
