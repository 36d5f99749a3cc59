// Oddities: what honest files seldom have. The tag says that the rule counts as no detection, see engines/yara.py.

rule PE_Packed_With_UPX : oddity packer
{
    meta:
        description = "A Windows program whose sections have the names that the packer UPX gives them"
    strings:
        $first = "UPX0\x00"
        $second = "UPX1\x00"
    condition:
        uint16(0) == 0x5A4D and uint32(uint32(0x3C)) == 0x00004550 and $first in (0x40..0x1000) and $second in (0x40..0x1000)
}

rule Script_Evaluates_Base64 : oddity script
{
    meta:
        description = "A script that evaluates code which it carries in Base64"
    strings:
        $php = /\b(eval|assert)\s*\(\s*(gzinflate\s*\(\s*|gzuncompress\s*\(\s*|str_rot13\s*\(\s*)?base64_decode\s*\(\s*["'][A-Za-z0-9+\/=\r\n]{120}/ nocase
        $javascript = /\beval\s*\(\s*((window|self)\.)?atob\s*\(\s*["'`][A-Za-z0-9+\/=]{120}/
        $python = /\bexec\s*\(\s*(base64\.)?b64decode\s*\(\s*b?["']{1,3}[A-Za-z0-9+\/=\r\n]{120}/
        $powershell = /\b(iex|invoke-expression)\b[^\r\n]{0,200}frombase64string\s*\(\s*["'][A-Za-z0-9+\/=]{120}/ nocase
        $encoded = /\bpowershell(\.exe)?\b[^\r\n]{0,200}\s-e(nc|ncodedcommand)?\s+["']?[A-Za-z0-9+\/=]{120}/ nocase
    condition:
        any of them
}

rule Office_Macro_Runs_By_Itself : oddity macro
{
    meta:
        description = "An Office document of the old format with a macro that runs when it is opened or closed"
    strings:
        $project = "_VBA_PROJECT" wide
        $word = /\b(AutoOpen|AutoExec|AutoClose|Document_Open|Document_Close)\b/ ascii wide nocase
        $excel = /\b(Auto_Open|Auto_Close|Workbook_Open|Workbook_BeforeClose)\b/ ascii wide nocase
    condition:
        uint32be(0) == 0xD0CF11E0 and uint32be(4) == 0xA1B11AE1 and $project and ($word or $excel)
}

rule PDF_Runs_JavaScript_When_Opened : oddity pdf
{
    meta:
        description = "A PDF document with JavaScript and an action that takes place when it is opened"
    strings:
        $header = "%PDF-"
        $script = /\/(JavaScript|JS)\b/
        $action = /\/(OpenAction|AA)\b/
    condition:
        $header in (0..1024) and $script and $action
}

rule Shortcut_Starts_Script_Host : oddity shortcut
{
    meta:
        description = "A Windows shortcut that starts a shell or a script host"
    strings:
        $host = /\b(powershell|mshta|wscript|cscript|regsvr32|certutil)\b/ ascii wide nocase
    condition:
        uint32be(0) == 0x4C000000 and uint32be(4) == 0x01140200 and $host
}
