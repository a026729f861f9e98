# Where requests for static files go.
#
#   GET HEAD    /artifacts/static/<repository>/file/<name>  the blob, straight from the registry
#   PUT DELETE  /artifacts/static/<repository>/file/<name>  the plugin, at the owner of the repository
#   GET HEAD    /artifacts/static/<repository>/             the plugin, for a listing
#   any         /artifacts/static/api/v1/doc/...            the plugin, any instance
#   any         /artifacts/static/api/v1/...                the plugin, at the owner of the repository that the JSON
#                                                           body or the query names
#
# A file is tagged with the MD5 of its name, in the OCI repository artifacts/static/<repository>/files. A repository's
# routing key is artifacts/static/<repository>.
package router

import rego.v1

default output := {"repository": "", "redirect_url": "", "found": false, "reason": "no such path"}

# The API comes first, so that no repository called api/v1 can hide it.
output := api if {
	startswith(input.path, data.api)
} else := file if {
	count(file_url) == 1
} else := forward(repository) if {
	input.method in data.methods.read
	[_, repository] := regex.find_all_string_submatch_n(data.patterns.listing, input.path, 1)[0]
}

forward(repository) := {"repository": repository, "redirect_url": "", "found": true}

# files

file_url := regex.find_all_string_submatch_n(data.patterns.file, input.path, 1)

file := answer if {
	input.method in data.methods.read
	[_, repository, name] := file_url[0]
	oci_repository := sprintf("%s/files", [repository])
	reference := sprintf("%s:%s", [oci_repository, crypto.md5(name)])
	digest := oci.blob_digest(reference, "mediatype", data.mediatype.file)
	answer := {
		"repository": repository,
		"redirect_url": sprintf("/v2/%s/blobs/sha256:%s", [oci_repository, digest]),
		"found": digest != "",
		"reason": "no such file",
		"cache_control": data.cache_control,
	}
} else := forward(file_url[0][1]) if {
	input.method in data.methods.write
} else := {"action": "deny", "status": 405, "reason": "a file is read, put or deleted"}

# management API

default body_repository := ""

body_repository := object.get(request.body(), "repository", "")

api := forward("") if {
	startswith(input.path, concat("", [data.api, "doc/"]))
} else := forward(body_repository) if {
	is_string(body_repository)
	body_repository != ""
} else := forward(repository) if {
	repository := input.query.repository[0]
	repository != ""
} else := {"repository": "", "redirect_url": "", "found": false, "reason": "no repository is named"} if {
	is_object(request.body())
	body_repository == ""
} else := forward("")
