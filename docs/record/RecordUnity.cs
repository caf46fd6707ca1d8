// Record a Unity camera as a native folder: rgb, depth, camera.
//
// Built-in pipeline: put the script on the camera, and give `depth` a material of an image effect
// shader whose fragment returns LinearEyeDepth(SAMPLE_DEPTH_TEXTURE(_CameraDepthTexture, i.uv)).
// It records while the game plays. Normals, ids and albedo need shaders of your project: save them
// the same way and name them in clip.json. Written for Unity 2022.3. Not run here.
// Check: simlift inspect FOLDER --out .
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using UnityEngine;

[RequireComponent(typeof(Camera))]
public class RecordUnity : MonoBehaviour
{
    public string folder = "clip";
    public int fps = 24, width = 640, height = 360;
    public Material depth;
    readonly List<string> frames = new List<string>();

    void Start()
    {
        Time.captureFramerate = fps;
        Directory.CreateDirectory(folder);
        GetComponent<Camera>().depthTextureMode = DepthTextureMode.Depth;
    }

    void OnRenderImage(RenderTexture seen, RenderTexture shown)
    {
        var name = Path.Combine(folder, frames.Count.ToString("D6"));
        File.WriteAllBytes(name + ".png", Read(seen, null, false).EncodeToPNG());
        File.WriteAllBytes(name + ".exr", Read(seen, depth, true).EncodeToEXR(Texture2D.EXRFlags.OutputAsFloat));
        var (p, q, fov) = (transform.position, transform.rotation, GetComponent<Camera>().fieldOfView);
        frames.Add(string.Format(CultureInfo.InvariantCulture, "{{\"position\": [{0:R}, {1:R}, {2:R}], "
            + "\"quaternion\": [{3:R}, {4:R}, {5:R}, {6:R}], \"fov_down\": {7:R}}}", p.x, p.y, p.z, q.x, q.y, q.z, q.w, fov));
        Graphics.Blit(seen, shown);
    }

    Texture2D Read(RenderTexture seen, Material material, bool floats)
    {
        var target = RenderTexture.GetTemporary(width, height, 0, floats ? RenderTextureFormat.ARGBFloat : RenderTextureFormat.ARGB32);
        if (material == null) Graphics.Blit(seen, target); else Graphics.Blit(seen, target, material);
        RenderTexture.active = target;
        var pixels = new Texture2D(width, height, floats ? TextureFormat.RGBAFloat : TextureFormat.RGB24, false);
        pixels.ReadPixels(new Rect(0, 0, width, height), 0, 0);
        RenderTexture.ReleaseTemporary(target);
        return pixels;
    }

    void OnDestroy()
    {
        File.WriteAllText(Path.Combine(folder, "camera.json"), "{\"frames\": [" + string.Join(",\n", frames) + "]}");
        File.WriteAllText(Path.Combine(folder, "clip.json"), ("{'format': 'simlift-clip/1', 'name': 'unity', 'fps': '" + fps
            + "', 'num_frames': " + frames.Count + ", 'height': " + height + ", 'width': " + width + ", 'layers': {"
            + "'rgb': {'file': '%06d.png'}, 'depth': {'file': '%06d.exr', 'channel': 'R'}}, 'camera': {'file': 'camera.json', "
            + "'convention': 'unity', 'direction': 'camera_to_world', 'quaternion': 'xyzw'}}").Replace('\'', '"'));
    }
}
