// .teamcity/settings.kts; written from the documentation of the DSL, not compiled
import jetbrains.buildServer.configs.kotlin.*
import jetbrains.buildServer.configs.kotlin.buildFeatures.xmlReport
import jetbrains.buildServer.configs.kotlin.buildSteps.script
import jetbrains.buildServer.configs.kotlin.triggers.vcs

version = "2024.12"

project {
    buildType(Secrets)
}

object Secrets : BuildType({
    name = "Secrets"
    artifactRules = "leakguard.html"
    params {
        param("teamcity.git.shallowClone", "false")
        // Empty, unless the feature "Pull Requests" sets it.
        param("teamcity.pullRequest.target.branch", "")
        param("env.LEAKGUARD_TARGET_BRANCH", "%teamcity.pullRequest.target.branch%")
        param("env.LEAKGUARD_BRANCH", "%teamcity.build.branch%")
    }
    vcs {
        root(DslContext.settingsRoot)
        checkoutMode = CheckoutMode.ON_AGENT // so that there is a repository to look at
    }
    steps {
        script {
            scriptContent = """
                set -e
                python3 -I -m venv "%teamcity.build.tempDir%/leakguard"
                "%teamcity.build.tempDir%/leakguard/bin/python" -I -m pip install --quiet "git+https://github.com/OWNER/leakguard@v0.1.0"
                "%teamcity.build.tempDir%/leakguard/bin/leakguard" ci --deepen --junit leakguard.xml --html leakguard.html
            """.trimIndent()
        }
    }
    triggers { vcs { branchFilter = "+:*" } }
    features { xmlReport { reportType = XmlReport.XmlReportType.JUNIT; rules = "leakguard.xml" } }
})
