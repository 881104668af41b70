#!/bin/sh
# A silent trial: an Orthanc of its own, the listener beside it, and the router between them.
# Films that reach the Orthanc are scored; the results lie in the same Orthanc, and nowhere else.
#
#   sh silent_trial.sh [FOLDER]          (Ctrl-C ends all three)
#
# Debian: apt install orthanc orthanc-dicomweb; pip install 'pneumoscore[pacs]'.
# Research use only, not for medical use.
set -eu
folder=${1:-silent-trial}
http=${TRIAL_HTTP_PORT:-8042}
dicom=${TRIAL_DICOM_PORT:-4242}
listener=${TRIAL_LISTENER_PORT:-11112}
status=${TRIAL_STATUS_PORT:-11113}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

cat > "$folder/orthanc.json" <<EOF
{
  "Name": "SILENT TRIAL",
  "StorageDirectory": "$folder/orthanc",
  "IndexDirectory": "$folder/orthanc",
  "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],
  "HttpPort": $http,
  "RemoteAccessAllowed": false,
  "AuthenticationEnabled": false,
  "DicomAet": "TRIAL",
  "DicomPort": $dicom,
  "DicomCheckCalledAet": true,
  "DicomCheckModalityHost": true,
  "DicomAlwaysAllowEcho": false,
  "DicomAlwaysAllowStore": false,
  "DicomModalities": {
    "pneumoscore": { "AET": "PNEUMOSCORE", "Host": "127.0.0.1", "Port": $listener,
                     "AllowStorageCommitment": true }
  },
  "DicomWeb": { "Enable": true, "Root": "/dicom-web/" }
}
EOF

started=""
end() {
    trap - EXIT INT TERM
    for process in $started; do kill "$process" 2>/dev/null || true; done
    wait
}
trap end EXIT INT TERM

PATH=$PATH:/usr/sbin Orthanc "$folder/orthanc.json" >"$folder/orthanc.log" 2>&1 &
started="$started $!"
pneumoscore listen --allow "TRIAL@127.0.0.1:$dicom" --to "TRIAL@127.0.0.1:$dicom" --commit \
    --port "$listener" --status-port "$status" --store "$folder/store" 2>"$folder/listener.log" &
started="$started $!"
pneumoscore pacs route "http://127.0.0.1:$http" --modality pneumoscore --state "$folder/route" &
started="$started $!"

echo "films to: TRIAL, this computer, port $dicom (add each sender to DicomModalities), or"
echo "          curl --data-binary @film.dcm http://127.0.0.1:$http/instances"
echo "results:  http://127.0.0.1:$http"
echo "status:   http://127.0.0.1:$status/status"
wait
